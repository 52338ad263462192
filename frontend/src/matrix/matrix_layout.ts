// Where the relevance matrix's cells and labels lie.
import type { Explanation } from "../data/explanation";
import { type Grouping, groupTokens } from "./matrix_groups";
import type { Group } from "../words/units";
import type { Size } from "../pixels/geometry";

export interface MatrixLayout {
  /** Answer tokens of each shown row, and context tokens of each shown column. */
  rows: Group[];
  columns: Group[];
  cellWidth: number;
  cellHeight: number;
  /** Room for the row labels (left) and the slanted column labels (top): cells end there. */
  left: number;
  top: number;
  /** Where the first cell lies: at `left` and `top`, or beyond them when panned. */
  x: number;
  y: number;
  /** The whole room's. */
  width: number;
  height: number;
}

/** From here on cells are parted by gaps. */
export const SMALLEST_SPACED_CELL = 6;
/** The height of a line of text; slanted, it takes more of the width. */
export const LABEL_PITCH = { row: 10, column: 12 };
const LARGEST_CELL = 30;
/** From here on sizes are whole or half pixels, so that cells look alike. */
const SMALLEST_EVEN_CELL = 3;
/** Cells may be wider than high, to use the room without looking like bars. */
const WIDEST_SHAPE = 1.5;
/** Cells too small to have a shape may be higher than wide. */
const HIGHEST_SHAPE = 2;
export const MARGIN = { right: 38, bottom: 2 };

export function shownColumns(explanation: Explanation, template: boolean): number[] {
  return explanation.context.flatMap((token, j) => (token.special && !template ? [] : [j]));
}

export function shownRows(explanation: Explanation, template: boolean): number[] {
  return shownColumns(explanation, template)
    .filter((j) => j >= explanation.promptLength)
    .map((j) => j - explanation.promptLength);
}

/** The whole matrix in the room, however small its cells become. */
export function layoutMatrix(
  explanation: Explanation,
  template: boolean,
  room: Size,
  labels: { left: number; top: number },
  grouping: Grouping = "tokens",
): MatrixLayout {
  const { promptLength } = explanation;
  const columns = groupTokens(explanation, shownColumns(explanation, template), grouping);
  const answer = shownRows(explanation, template).map((token) => promptLength + token);
  // Turns are context: the tokens explained stay apart.
  const rows = groupTokens(explanation, answer, grouping === "turns" ? "tokens" : grouping).map((group) => ({
    ...group,
    first: group.first - promptLength,
    end: group.end - promptLength,
  }));
  const wide = Math.max(1, room.width - labels.left - MARGIN.right) / columns.length;
  const high = Math.max(1, room.height - labels.top - MARGIN.bottom) / rows.length;
  const highest = Math.max(wide, Math.min(HIGHEST_SHAPE * wide, SMALLEST_SPACED_CELL));
  const cellHeight = cellSize(Math.min(high, highest));
  const cellWidth = cellSize(Math.min(wide, WIDEST_SHAPE * cellHeight));
  return { rows, columns, cellWidth, cellHeight, ...labels, x: labels.left, y: labels.top, ...room };
}

function cellSize(room: number): number {
  return room < SMALLEST_EVEN_CELL ? room : Math.min(LARGEST_CELL, Math.floor(room * 2) / 2);
}

/** Row and column, as places in the lists, under a point; null outside the cells, and a row alone
 * over its label. */
export function cellUnder(layout: MatrixLayout, x: number, y: number): { r: number; c: number | null } | null {
  const r = Math.floor((y - layout.y) / layout.cellHeight);
  const c = x < layout.left ? null : Math.floor((x - layout.x) / layout.cellWidth);
  const outside = y < layout.top || y > layout.height || x > layout.width;
  return outside || r >= layout.rows.length || (c ?? 0) >= layout.columns.length ? null : { r, c };
}

/** As `cellUnder`, as token and context index: the first ones of their groups. */
export function placeAt(layout: MatrixLayout, x: number, y: number): { row: number; column: number | null } | null {
  const cell = cellUnder(layout, x, y);
  return cell && placeOf(layout, cell.r, cell.c);
}

export function placeOf(layout: MatrixLayout, r: number, c: number | null): { row: number; column: number | null } {
  return { row: layout.rows[r]!.first, column: c === null ? null : layout.columns[c]!.first };
}

/** The first row and column in view, and the first after them. */
export function inView(layout: MatrixLayout): { rows: [number, number]; columns: [number, number] } {
  const within = (origin: number, cell: number, from: number, to: number, count: number): [number, number] => [
    Math.max(0, Math.floor((from - origin) / cell)),
    Math.min(count, Math.ceil((to - origin) / cell)),
  ];
  return {
    rows: within(layout.y, layout.cellHeight, layout.top, layout.height, layout.rows.length),
    columns: within(layout.x, layout.cellWidth, layout.left, layout.width, layout.columns.length),
  };
}

/** Which cells of a side are labelled, where a label needs so many cells: those marked, the first
 * ones first, and every n-th that does not run into one of them. */
export function labelled([first, end]: [number, number], clear: number, marked: number[]): number[] {
  const marks: number[] = [];
  const free = (i: number) => marks.every((mark) => Math.abs(i - mark) >= clear);
  for (const i of marked) if (i >= first && i < end && free(i)) marks.push(i);
  // Powers of two: while zooming, labels come in between, and none of those there jumps.
  const stride = 2 ** Math.max(0, Math.ceil(Math.log2(clear)));
  const others: number[] = [];
  for (let i = Math.ceil(first / stride) * stride; i < end; i += stride) if (free(i)) others.push(i);
  return [...marks, ...others];
}
