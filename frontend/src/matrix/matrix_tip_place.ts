// Where the hover tip goes: beside its cell, not over it, and inside the room.
import type { Point, Rect, Size } from "../pixels/geometry";

const GAP = 10;
const EDGE = 4;

export function tipPlace(cell: Rect, tip: Size, room: Size): Point {
  return {
    x: beside(cell.x, cell.width, tip.width, room.width),
    y: beside(cell.y, cell.height, tip.height, room.height),
  };
}

/** After the cell, else before it, else as far from the end as it takes. */
function beside(start: number, cell: number, tip: number, room: number): number {
  const last = room - tip - EDGE;
  const [after, before] = [start + cell + GAP, start - tip - GAP];
  const wanted = after <= last || before < EDGE ? after : before;
  return Math.max(EDGE, Math.min(wanted, last));
}
