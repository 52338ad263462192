// Which part of the matrix is seen: zoomed and panned, always within its bounds.
import { MARGIN, type MatrixLayout } from "./matrix_layout";
import { within } from "../pixels/geometry";
import type { Plane, Zoom } from "../pixels/zoom";

/** The first cell stands at the upper left. */
export const FITTED: Zoom = { factor: 1, x: 0, y: 0 };
const LARGEST_ZOOMED_CELL = 60;

export function matrixPlane({ left, top, rows, columns, cellWidth, cellHeight, ...room }: MatrixLayout): Plane {
  const size = { width: columns.length * cellWidth, height: rows.length * cellHeight };
  const last = (seen: number, whole: number) => Math.max(0, 1 - seen / whole);
  return {
    anchor: { x: left, y: top },
    size,
    largest: Math.max(1, LARGEST_ZOOMED_CELL / Math.min(cellWidth, cellHeight)),
    // Up to the margin that the last labels need.
    bounded: ({ factor, x, y }) => ({
      factor,
      x: within(0, x, last(room.width - left - MARGIN.right, size.width * factor)),
      y: within(0, y, last(room.height - top - MARGIN.bottom, size.height * factor)),
    }),
  };
}

/** The fitted layout, magnified and moved. */
export function zoomedLayout(fitted: MatrixLayout, { factor, x, y }: Zoom): MatrixLayout {
  const [cellWidth, cellHeight] = [fitted.cellWidth * factor, fitted.cellHeight * factor];
  const [width, height] = [fitted.columns.length * cellWidth, fitted.rows.length * cellHeight];
  return { ...fitted, cellWidth, cellHeight, x: fitted.left - x * width, y: fitted.top - y * height };
}

/** Move no further than it takes to see a row and, where one is given, a column. */
export function reveal(fitted: MatrixLayout, zoom: Zoom, r: number, c: number | null): Zoom {
  const { width, height, left, top, rows, columns, cellWidth, cellHeight } = fitted;
  const near = (first: number, cell: number, count: number, room: number, size: number) =>
    Math.min(cell / count, Math.max(first, (cell + 1 - room / (size * zoom.factor)) / count));
  const y = r < 0 ? zoom.y : near(zoom.y, r, rows.length, height - top - MARGIN.bottom, cellHeight);
  const x = c === null || c < 0 ? zoom.x : near(zoom.x, c, columns.length, width - left - MARGIN.right, cellWidth);
  return x === zoom.x && y === zoom.y ? zoom : matrixPlane(fitted).bounded({ ...zoom, x, y });
}
