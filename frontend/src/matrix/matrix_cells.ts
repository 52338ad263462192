// The values of the matrix's cells, and their coarser levels: the largest value of every 2×2 cells,
// so that a single hot cell is seen from any distance.
import type { Explanation } from "../data/explanation";
import type { Group } from "../words/units";
import type { MatrixLayout } from "./matrix_layout";
import { type ShownMode, addsUp, readerOf } from "./matrix_values";

export interface MatrixCells {
  rows: number;
  columns: number;
  /** (rows, columns); NaN where there is no value. */
  values: Float32Array;
}

/** The value of each pair of groups: the largest; of what adds up over a word's tokens, their sum. */
export function gatherCells(
  explanation: Explanation,
  mode: ShownMode,
  { rows, columns }: Pick<MatrixLayout, "rows" | "columns">,
): MatrixCells {
  const read = readerOf(explanation, mode);
  const sums = addsUp(mode);
  const values = new Float32Array(rows.length * columns.length).fill(NaN);
  let i = 0;
  for (const row of rows) {
    for (const column of columns) {
      if (sums) values[i] = summed(read, row, column);
      else {
        for (let t = row.first; t < row.end; t++) {
          for (let j = column.first; j < column.end; j++) values[i] = larger(values[i]!, read(t, j));
        }
      }
      i++;
    }
  }
  return { rows: rows.length, columns: columns.length, values };
}

/** Of the column's strongest word, over the row's tokens; NaN where one of them has none. */
function summed(read: (row: number, column: number) => number, row: Group, column: Group): number {
  let best = NaN;
  for (let j = column.first; j < column.end; j++) {
    let sum = 0;
    for (let t = row.first; t < row.end; t++) sum += read(t, j);
    best = larger(best, sum);
  }
  return best;
}

/** Half as many rows and columns. */
export function halved(cells: MatrixCells): MatrixCells {
  const [rows, columns] = [Math.ceil(cells.rows / 2), Math.ceil(cells.columns / 2)];
  const values = new Float32Array(rows * columns).fill(NaN);
  for (let r = 0; r < cells.rows; r++) {
    for (let c = 0; c < cells.columns; c++) {
      const i = (r >> 1) * columns + (c >> 1);
      values[i] = larger(values[i]!, cells.values[r * cells.columns + c]!);
    }
  }
  return { rows, columns, values };
}

/** How often to halve, so that every cell drawn covers a pixel, whatever its size. */
export function levelFor(pixelsPerCell: number): number {
  return Math.max(0, Math.ceil(-Math.log2(pixelsPerCell)));
}

/** Of the cells that are drawn as one with (r, c) at a level: the one whose value is seen. */
export function strongestCell(cells: MatrixCells, level: number, r: number, c: number): { r: number; c: number } {
  const among = (at: number, count: number): Group => {
    const first = at - (at % 2 ** level);
    return { first, end: Math.min(count, first + 2 ** level) };
  };
  const best = strongest(among(r, cells.rows), among(c, cells.columns), (row, column) => cells.values[row * cells.columns + column]!, r, c);
  return { r: best.row, c: best.column };
}

/** The tokens of two groups whose value is the groups'. */
export function strongestPair(explanation: Explanation, mode: ShownMode, rows: Group, columns: Group): { row: number; column: number } {
  return strongest(rows, columns, readerOf(explanation, mode));
}

/** The groups' value. */
export function strongestValue(explanation: Explanation, mode: ShownMode, rows: Group, columns: Group): number {
  const read = readerOf(explanation, mode);
  if (addsUp(mode)) return summed(read, rows, columns);
  const { row, column } = strongest(rows, columns, read);
  return read(row, column);
}

function strongest(rows: Group, columns: Group, valueOf: (row: number, column: number) => number, row = rows.first, column = columns.first) {
  let best = { row, column };
  for (let r = rows.first; r < rows.end; r++) {
    for (let c = columns.first; c < columns.end; c++) {
      if (exceeds(valueOf(r, c), valueOf(best.row, best.column))) best = { row: r, column: c };
    }
  }
  return best;
}

/** Farther from zero; any value exceeds NaN. */
function exceeds(value: number, other: number): boolean {
  return Math.abs(value) > Math.abs(other) || (Number.isNaN(other) && !Number.isNaN(value));
}

function larger(a: number, b: number): number {
  return exceeds(b, a) ? b : a;
}
