// Where the relevance matrix's cells and labels lie.
import type { Explanation } from "./explanation";

export interface MatrixLayout {
  /** Context index of each shown column, and token index of each shown row. */
  columns: number[];
  rows: number[];
  cellWidth: number;
  cellHeight: number;
  /** Room for the row labels (left) and the slanted column labels (top). */
  left: number;
  top: number;
  width: number;
  height: number;
}

export const SMALLEST_LABELLED_CELL = 10;
const LARGEST_CELL = 30;
const SMALLEST_CELL = 3;
/** Cells may be wider than high, to use the room without looking like bars. */
const WIDEST_SHAPE = 1.5;
const SLANT_RIGHT_PX = 38;

export function shownColumns(explanation: Explanation, template: boolean): number[] {
  return explanation.context.flatMap((token, j) => (token.special && !template ? [] : [j]));
}

export function shownRows(explanation: Explanation, template: boolean): number[] {
  return shownColumns(explanation, template)
    .filter((j) => j >= explanation.promptLength)
    .map((j) => j - explanation.promptLength);
}

export function layoutMatrix(
  explanation: Explanation,
  template: boolean,
  room: { width: number; height: number },
  labels: { left: number; top: number },
): MatrixLayout {
  const columns = shownColumns(explanation, template);
  const rows = shownRows(explanation, template);
  const wide = (room.width - labels.left - SLANT_RIGHT_PX) / columns.length;
  const high = (room.height - labels.top - 2) / rows.length;
  const cellHeight = cellSize(Math.min(high, wide));
  const cellWidth = cellSize(Math.min(wide, WIDEST_SHAPE * cellHeight));
  return {
    columns,
    rows,
    cellWidth,
    cellHeight,
    left: labels.left,
    top: labels.top,
    width: Math.ceil(labels.left + cellWidth * columns.length + SLANT_RIGHT_PX),
    height: Math.ceil(labels.top + cellHeight * rows.length + 2),
  };
}

function cellSize(room: number): number {
  return Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL, Math.floor(room * 2) / 2));
}

/** Row and column (as token and context index) under a point; null outside the cells, and a row
 * alone over its label. */
export function placeAt(
  layout: MatrixLayout,
  x: number,
  y: number,
): { row: number; column: number | null } | null {
  const row = layout.rows[Math.floor((y - layout.top) / layout.cellHeight)];
  if (row === undefined || y < layout.top) return null;
  const column = x < layout.left ? null : layout.columns[Math.floor((x - layout.left) / layout.cellWidth)];
  return column === undefined ? null : { row, column };
}

/** Every n-th label, so that they do not run into each other. */
export function labelStride(cell: number): number {
  return Math.ceil(SMALLEST_LABELLED_CELL / cell);
}
