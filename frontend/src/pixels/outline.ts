// The edge of an object's mask as closed lines, and how they are drawn on the picture.
import type { ObjectMask } from "../data/explanation";
import type { Point, Rect } from "./geometry";

/** Closed lines, in shares of the picture's width and height. */
export type Loops = Point[][];

const known = new WeakMap<ObjectMask, Loops>();

/** Through the middles of the sides between inside and outside: a slope is drawn as one. */
export function loopsOf(mask: ObjectMask): Loops {
  let loops = known.get(mask);
  if (!loops) known.set(mask, (loops = traced(mask)));
  return loops;
}

/** 1 where a cell is inside, line by line. */
export function insideOf({ width, height, runs }: Pick<ObjectMask, "width" | "height" | "runs">): Uint8Array {
  const cells = new Uint8Array(width * height);
  let at = 0;
  runs.forEach((run, i) => cells.fill(i % 2, at, (at += run)));
  return cells;
}

function traced({ width, height, runs }: ObjectMask): Loops {
  const cells = insideOf({ width, height, runs });
  const inside = (x: number, y: number) => x >= 0 && y >= 0 && x < width && y < height && cells[y * width + x] === 1;
  // Sides from corner to corner, the inside to their right: where one ends the next begins.
  const corners = width + 1;
  const from = new Map<number, number[]>();
  const side = (x: number, y: number, toX: number, toY: number) => {
    const start = y * corners + x;
    from.set(start, [...(from.get(start) ?? []), toY * corners + toX]);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!cells[y * width + x]) continue;
      if (!inside(x, y - 1)) side(x, y, x + 1, y);
      if (!inside(x + 1, y)) side(x + 1, y, x + 1, y + 1);
      if (!inside(x, y + 1)) side(x + 1, y + 1, x, y + 1);
      if (!inside(x - 1, y)) side(x, y + 1, x, y);
    }
  }
  const loops: Loops = [];
  for (const start of from.keys()) {
    while (from.get(start)?.length) {
      const loop: Point[] = [];
      let corner = start;
      do {
        const next = from.get(corner)!.pop()!;
        const middle = (one: number, other: number) => (one + other) / 2;
        loop.push({
          x: middle(corner % corners, next % corners) / width,
          y: middle(Math.floor(corner / corners), Math.floor(next / corners)) / height,
        });
        corner = next;
      } while (corner !== start);
      loops.push(loop);
    }
  }
  return loops;
}

/** As SVG and canvases take it, in pixels of `rect`. */
export function pathOf(mask: ObjectMask, rect: Rect): string {
  const place = ({ x, y }: Point) => `${(rect.x + x * rect.width).toFixed(1)} ${(rect.y + y * rect.height).toFixed(1)}`;
  return loopsOf(mask).map((loop) => `M${loop.map(place).join("L")}Z`).join("");
}

/** Where its name goes: above the highest point, within the room; the baseline's middle. */
export function nameAt(mask: ObjectMask, rect: Rect, room: Rect, width: number, height: number): Point {
  const points = loopsOf(mask).flat();
  const top = points.reduce((best, point) => (point.y < best.y ? point : best), points[0] ?? { x: 0.5, y: 0.5 });
  const bottom = points.reduce((most, { y }) => Math.max(most, y), 0);
  const above = rect.y + top.y * rect.height - 0.45 * height;
  const x = Math.max(room.x + width / 2, Math.min(room.x + room.width - width / 2, rect.x + top.x * rect.width));
  return { x, y: above - height < room.y ? Math.min(room.y + room.height - 0.3 * height, rect.y + bottom * rect.height + 1.1 * height) : above };
}

/** White on dark, so that it shows on any map and any picture. */
export const EDGE = [["rgb(0 0 0 / 0.75)", 2.2], ["#ffffff", 1]] as const;

export function drawOutline(context: CanvasRenderingContext2D, mask: ObjectMask, rect: Rect, { line, font, room }: { line: number; font: number; room: Rect }): void {
  const path = new Path2D(pathOf(mask, rect));
  context.lineJoin = "round";
  for (const [color, wide] of EDGE) {
    context.strokeStyle = color;
    context.lineWidth = wide * line;
    context.stroke(path);
  }
  if (!mask.name) return;
  context.font = `600 ${font}px system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif`;
  context.textAlign = "center";
  const { x, y } = nameAt(mask, rect, room, context.measureText(mask.name).width, font);
  context.lineWidth = 0.3 * font;
  context.strokeStyle = EDGE[0][0];
  context.strokeText(mask.name, x, y);
  context.fillStyle = EDGE[1][0];
  context.fillText(mask.name, x, y);
  context.textAlign = "start";
}
