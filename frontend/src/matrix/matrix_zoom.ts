// Which part of the matrix is seen: zoom and pan, always within its bounds.
import { MARGIN, type MatrixLayout } from "./matrix_layout";
import type { Point } from "../pixels/stage_view";

export interface MatrixZoom {
  /** Magnification, 1 = the whole matrix. */
  factor: number;
  /** The row and column at the upper left, in cells and parts of them. */
  row: number;
  column: number;
}

export const FITTED: MatrixZoom = { factor: 1, row: 0, column: 0 };
const LARGEST_ZOOMED_CELL = 60;

/** The fitted layout, magnified and moved. */
export function zoomedLayout(fitted: MatrixLayout, { factor, row, column }: MatrixZoom): MatrixLayout {
  const cellWidth = fitted.cellWidth * factor;
  const cellHeight = fitted.cellHeight * factor;
  return { ...fitted, cellWidth, cellHeight, x: fitted.left - column * cellWidth, y: fitted.top - row * cellHeight };
}

/** Magnify about a point of the room: the cell there stays there. */
export function zoomAt(fitted: MatrixLayout, zoom: MatrixZoom, at: Point, by: number): MatrixZoom {
  const largest = Math.max(1, LARGEST_ZOOMED_CELL / Math.min(fitted.cellWidth, fitted.cellHeight));
  const factor = Math.min(largest, Math.max(1, zoom.factor * by));
  const shrunk = 1 / zoom.factor - 1 / factor;
  return bounded(fitted, {
    factor,
    row: zoom.row + (Math.max(0, at.y - fitted.top) / fitted.cellHeight) * shrunk,
    column: zoom.column + (Math.max(0, at.x - fitted.left) / fitted.cellWidth) * shrunk,
  });
}

/** Move the matrix by so many pixels of the room. */
export function panBy(fitted: MatrixLayout, zoom: MatrixZoom, dx: number, dy: number): MatrixZoom {
  return bounded(fitted, {
    factor: zoom.factor,
    row: zoom.row - dy / (fitted.cellHeight * zoom.factor),
    column: zoom.column - dx / (fitted.cellWidth * zoom.factor),
  });
}

/** Move no further than it takes to see a row and, where one is given, a column. */
export function reveal(fitted: MatrixLayout, zoom: MatrixZoom, r: number, c: number | null): MatrixZoom {
  const seen = seenCells(fitted, zoom.factor);
  const near = (first: number, cell: number, count: number) =>
    Math.min(cell, Math.max(first, cell + 1 - count));
  const row = r < 0 ? zoom.row : near(zoom.row, r, seen.rows);
  const column = c === null || c < 0 ? zoom.column : near(zoom.column, c, seen.columns);
  return row === zoom.row && column === zoom.column ? zoom : bounded(fitted, { factor: zoom.factor, row, column });
}

function bounded(fitted: MatrixLayout, zoom: MatrixZoom): MatrixZoom {
  const seen = seenCells(fitted, zoom.factor);
  const within = (first: number, last: number) => Math.max(0, Math.min(first, last));
  return {
    factor: zoom.factor,
    row: within(zoom.row, fitted.rows.length - seen.rows),
    column: within(zoom.column, fitted.columns.length - seen.columns),
  };
}

/** How many rows and columns the room holds, up to the margin that the last labels need. */
function seenCells(fitted: MatrixLayout, factor: number): { rows: number; columns: number } {
  return {
    rows: (fitted.height - fitted.top - MARGIN.bottom) / (fitted.cellHeight * factor),
    columns: (fitted.width - fitted.left - MARGIN.right) / (fitted.cellWidth * factor),
  };
}
