// The relevance matrix on its two canvases: the cells below, labels and marks above, so that the
// cells need not be drawn again while the pointer walks over them.
import { hatchCell } from "../pixels/draw_map";
import { type Explanation, isContext } from "../data/explanation";
import { levelFor } from "./matrix_cells";
import { groupIndex, groupText, rowText } from "../words/units";
import { LABEL_PITCH, type MatrixLayout, SMALLEST_SPACED_CELL, inView, labelled } from "./matrix_layout";
import { type MatrixPicture, TILE } from "./matrix_picture";

const FONT = '11px system-ui, "Segoe UI", Roboto, sans-serif';
const SLANT = Math.PI / 3;
const SLANT_SIN = Math.sin(SLANT);
const SLANT_COS = Math.cos(SLANT);
/** Smaller cells without a value are left out: a hatching would not be seen as one. */
const SMALLEST_HATCHED_CELL = 3;
/** What a frame leaves free, so that the cells inside it can be seen. */
const SMALLEST_FRAME = 4;

export interface MatrixStyle {
  /** Answer tokens. */
  selected: number[];
  /** Answer and context token. */
  hovered: { row: number | null; column: number | null };
  text: string;
  muted: string;
  accent: string;
}

/** The level of detail at which no cell is smaller than a pixel of the device. */
export function drawnLevel(layout: MatrixLayout, pixelRatio: number): number {
  return levelFor(Math.min(layout.cellWidth, layout.cellHeight) * pixelRatio);
}

export function drawCells(
  context: CanvasRenderingContext2D,
  picture: MatrixPicture,
  explanation: Explanation,
  layout: MatrixLayout,
  hatch: string,
): void {
  context.save();
  context.beginPath();
  context.rect(layout.left, layout.top, layout.width - layout.left, layout.height - layout.top);
  context.clip();
  drawTiles(context, picture, layout);
  if (Math.min(layout.cellWidth, layout.cellHeight) >= SMALLEST_HATCHED_CELL) {
    hatchMissing(context, picture, explanation, layout, hatch);
  }
  context.restore();
}

function drawTiles(context: CanvasRenderingContext2D, picture: MatrixPicture, layout: MatrixLayout): void {
  const ratio = context.getTransform().a;
  const level = drawnLevel(layout, ratio);
  const { rows, columns } = picture.level(level);
  const scale = 2 ** level;
  const x = tileEdges(layout.x, layout.cellWidth * scale, columns, ratio);
  const y = tileEdges(layout.y, layout.cellHeight * scale, rows, ratio);
  const seen = inView(layout);
  const tiles = ([first, end]: [number, number]) => [first, end - 1].map((i) => Math.floor(i / scale / TILE));
  const [firstRow, lastRow] = tiles(seen.rows);
  const [firstColumn, lastColumn] = tiles(seen.columns);
  context.imageSmoothingEnabled = false;
  for (let row = firstRow!; row <= lastRow!; row++) {
    for (let column = firstColumn!; column <= lastColumn!; column++) {
      const [left, top] = [x(column), y(row)];
      const [width, height] = [x(column + 1) - left, y(row + 1) - top];
      context.drawImage(picture.tile(level, row, column), left, top, width, height);
    }
  }
  if (level > 0 || layout.cellHeight < SMALLEST_SPACED_CELL) return;
  for (const c of span(seen.columns)) context.clearRect(cellEnd(x, c, columns, ratio) - 1, layout.top, 1, layout.height);
  for (const r of span(seen.rows)) context.clearRect(layout.left, cellEnd(y, r, rows, ratio) - 1, layout.width, 1);
}

/** Where a side's n-th tile begins: on a whole pixel, for between two soft edges the background
 * would shine through. */
function tileEdges(origin: number, cell: number, count: number, ratio: number): (tile: number) => number {
  return (tile) => Math.round((origin + Math.min(count, tile * TILE) * cell) * ratio) / ratio;
}

/** The pixel at which the cell ends in its tile, as drawn. */
function cellEnd(edges: (tile: number) => number, cell: number, count: number, ratio: number): number {
  const tile = Math.floor(cell / TILE);
  const [start, end] = [edges(tile), edges(tile + 1)];
  const share = (cell + 1 - tile * TILE) / Math.min(TILE, count - tile * TILE);
  return Math.round((start + share * (end - start)) * ratio) / ratio;
}

/** All cells without a value as one shape, in runs along the rows, and one hatching over it that
 * moves with the cells. */
function hatchMissing(
  context: CanvasRenderingContext2D,
  picture: MatrixPicture,
  explanation: Explanation,
  layout: MatrixLayout,
  hatch: string,
): void {
  const { cellWidth, cellHeight, rows, columns, x, y } = layout;
  const { values } = picture.cells;
  const seen = inView(layout);
  let found = false;
  context.save();
  context.translate(x, y);
  context.beginPath();
  for (const r of span(seen.rows)) {
    const missing = (c: number) =>
      Number.isNaN(values[r * columns.length + c]) && isContext(explanation, rows[r]!.end - 1, columns[c]!.first);
    for (let c = seen.columns[0]; c < seen.columns[1]; c++) {
      const start = c;
      while (c < seen.columns[1] && missing(c)) c++;
      if (c === start) continue;
      context.rect(start * cellWidth, r * cellHeight, (c - start) * cellWidth, cellHeight);
      found = true;
    }
  }
  if (found) {
    context.clip();
    const { left, top, width, height } = layout;
    hatchCell(context, { x: left - x, y: top - y, width: width - left, height: height - top }, hatch);
  }
  context.restore();
}

export function drawMarks(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
): void {
  const marks: Marks = {
    selected: [...new Set(style.selected.map((token) => groupIndex(layout.rows, token)))].filter((r) => r >= 0),
    row: groupIndex(layout.rows, style.hovered.row),
    column: groupIndex(layout.columns, style.hovered.column),
  };
  drawRowLabels(context, explanation, layout, style, marks);
  drawColumnLabels(context, explanation, layout, style, marks);
  drawFrames(context, explanation, layout, style, marks);
}

/** Rows and a column as places in the layout's lists; -1 for none. */
interface Marks {
  /** Ascending. */
  selected: number[];
  row: number;
  column: number;
}

function drawRowLabels(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
  marks: Marks,
): void {
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const r of labelled(inView(layout).rows, LABEL_PITCH.row / layout.cellHeight, [marks.row, ...marks.selected])) {
    const y = layout.y + (r + 0.5) * layout.cellHeight;
    if (y < layout.top || y > layout.height) continue;
    const text = rowText(explanation, layout.rows[r]!);
    const selected = marks.selected.includes(r);
    context.font = `${selected ? 600 : 400} ${FONT}`;
    context.fillStyle = selected ? style.accent : style.text;
    context.fillText(shortened(context, text, layout.left - 10), layout.left - 7, y);
  }
}

function drawColumnLabels(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
  marks: Marks,
): void {
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const c of labelled(inView(layout).columns, LABEL_PITCH.column / layout.cellWidth, [marks.column])) {
    const x = layout.x + (c + 0.5) * layout.cellWidth;
    if (x < layout.left) continue;
    const group = layout.columns[c]!;
    const room = Math.min((layout.top - 8) / SLANT_SIN, (layout.width - x - 8) / SLANT_COS);
    const prompt = group.first < explanation.promptLength;
    context.font = `${c === marks.column ? 600 : 400} ${FONT}`;
    context.fillStyle = c === marks.column ? style.accent : prompt ? style.muted : style.text;
    context.save();
    context.translate(x, layout.top - 5);
    context.rotate(-SLANT);
    context.fillText(shortened(context, groupText(explanation, group), room), 0, 0);
    context.restore();
  }
}

function drawFrames(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
  marks: Marks,
): void {
  const { cellWidth, cellHeight, left, top, rows, columns, x, y } = layout;
  const [width, height] = [columns.length * cellWidth, rows.length * cellHeight];
  context.save();
  context.beginPath();
  // A frame stands out beyond the first row and column, but not when those are panned away.
  const [fromX, fromY] = [x < left ? left : left - 3, y < top ? top : top - 3];
  context.rect(fromX, fromY, layout.width - fromX, layout.height - fromY);
  context.clip();
  context.strokeStyle = style.accent;
  const [first, last] = [marks.selected[0], marks.selected.at(-1)];
  if (first !== undefined && last !== undefined) {
    const extent = columns.filter((column) => isContext(explanation, rows[last]!.end - 1, column.first)).length;
    context.lineWidth = cellHeight < SMALLEST_FRAME ? 1 : 2;
    const { start, size } = framed(y + first * cellHeight, (last + 1 - first) * cellHeight);
    context.strokeRect(x - 1.5, start - 1.5, extent * cellWidth + 2, size + 2);
  }
  if (marks.column >= 0) {
    context.lineWidth = 1;
    context.globalAlpha = 0.7;
    const across = framed(x + marks.column * cellWidth, cellWidth);
    context.strokeRect(across.start - 1, y - 1, across.size + 1, height + 1);
    if (marks.row >= 0) {
      const along = framed(y + marks.row * cellHeight, cellHeight);
      context.strokeRect(x - 1, along.start - 1, width + 1, along.size + 1);
    }
  }
  context.restore();
}

/** The inside of a frame about a cell that may be smaller than a frame has to be. */
function framed(start: number, cell: number): { start: number; size: number } {
  const size = Math.max(cell, SMALLEST_FRAME);
  return { start: start - (size - cell) / 2, size };
}

function* span([first, end]: [number, number]): Generator<number> {
  for (let i = first; i < end; i++) yield i;
}

function shortened(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return `${text.slice(0, end)}…`;
}
