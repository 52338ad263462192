import { type ColorMap, colorTable, share } from "./color";
import { hatchCell } from "./draw_map";
import { type Explanation, type MatrixMode, isContext, matrixValue } from "./explanation";
import { type MatrixLayout, labelStride } from "./matrix_layout";
import { tokenText } from "./text";

const SLANT = Math.PI / 3;
const SLANT_SIN = Math.sin(SLANT);

/** The cells as one pixel each: made once per matrix, then drawn at any size. */
export interface MatrixPicture {
  pixels: OffscreenCanvas;
  /** Row and column indices, as shown, of context without a value. */
  missing: [number, number][];
}

export interface MatrixStyle {
  selected: number;
  hovered: { row: number | null; column: number | null };
  text: string;
  muted: string;
  accent: string;
  hatch: string;
  font: string;
}

const SMALLEST_SPACED_CELL = 6;

export function paintMatrix(
  explanation: Explanation,
  layout: Pick<MatrixLayout, "rows" | "columns">,
  mode: MatrixMode,
  high: number,
  colors: ColorMap,
): MatrixPicture {
  const { rows, columns } = layout;
  const image = new ImageData(columns.length, rows.length);
  const table = colorTable(colors);
  const missing: [number, number][] = [];
  rows.forEach((row, r) => {
    columns.forEach((column, c) => {
      const value = matrixValue(explanation, mode, row, column);
      if (Number.isNaN(value)) {
        if (isContext(explanation, row, column)) missing.push([r, c]);
        return;
      }
      const color = 3 * Math.round(255 * share(value, 0, high));
      image.data.set([table[color]!, table[color + 1]!, table[color + 2]!, 255], 4 * (r * columns.length + c));
    });
  });
  const pixels = new OffscreenCanvas(columns.length, rows.length);
  pixels.getContext("2d")!.putImageData(image, 0, 0);
  return { pixels, missing };
}

export function drawMatrix(
  context: CanvasRenderingContext2D,
  picture: MatrixPicture,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
): void {
  drawCells(context, picture, layout, style.hatch);
  drawRowLabels(context, explanation, layout, style);
  drawColumnLabels(context, explanation, layout, style);
  drawMarks(context, explanation, layout, style);
}

function drawCells(
  context: CanvasRenderingContext2D,
  picture: MatrixPicture,
  layout: MatrixLayout,
  hatch: string,
): void {
  const { cellWidth, cellHeight, left, top } = layout;
  const [width, height] = [cellWidth * layout.columns.length, cellHeight * layout.rows.length];
  context.imageSmoothingEnabled = false;
  context.drawImage(picture.pixels, left, top, width, height);
  for (const [r, c] of picture.missing) {
    const cell = { x: left + c * cellWidth, y: top + r * cellHeight, width: cellWidth, height: cellHeight };
    hatchCell(context, cell, hatch);
  }
  if (cellHeight < SMALLEST_SPACED_CELL) return;
  layout.columns.forEach((_, c) => context.clearRect(left + (c + 1) * cellWidth - 1, top, 1, height));
  layout.rows.forEach((_, r) => context.clearRect(left, top + (r + 1) * cellHeight - 1, width, 1));
}

function drawRowLabels(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
): void {
  const stride = labelStride(layout.cellHeight);
  context.textAlign = "right";
  context.textBaseline = "middle";
  layout.rows.forEach((row, r) => {
    const marked = row === style.selected || row === style.hovered.row;
    if (r % stride && !marked) return;
    const token = explanation.context[explanation.promptLength + row]!;
    context.font = `${row === style.selected ? 600 : 400} ${style.font}`;
    context.fillStyle = row === style.selected ? style.accent : style.text;
    const y = layout.top + (r + 0.5) * layout.cellHeight;
    context.fillText(shortened(context, tokenText(token.text), layout.left - 10), layout.left - 7, y);
  });
}

function drawColumnLabels(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
): void {
  const stride = labelStride(layout.cellWidth);
  context.textAlign = "left";
  context.textBaseline = "middle";
  layout.columns.forEach((column, c) => {
    const hovered = column === style.hovered.column;
    if (c % stride && !hovered) return;
    const prompt = column < explanation.promptLength;
    context.font = `${hovered ? 600 : 400} ${style.font}`;
    context.fillStyle = hovered ? style.accent : prompt ? style.muted : style.text;
    context.save();
    context.translate(layout.left + (c + 0.5) * layout.cellWidth, layout.top - 5);
    context.rotate(-SLANT);
    context.fillText(shortened(context, tokenText(explanation.context[column]!.text), (layout.top - 8) / SLANT_SIN), 0, 0);
    context.restore();
  });
}

function drawMarks(
  context: CanvasRenderingContext2D,
  explanation: Explanation,
  layout: MatrixLayout,
  style: MatrixStyle,
): void {
  const { cellWidth, cellHeight, left, top } = layout;
  context.strokeStyle = style.accent;
  const row = layout.rows.indexOf(style.selected);
  const extent = layout.columns.filter((column) => isContext(explanation, style.selected, column)).length;
  if (row >= 0 && extent) {
    context.lineWidth = 2;
    context.strokeRect(left - 1.5, top + row * cellHeight - 1.5, extent * cellWidth + 2, cellHeight + 2);
  }
  const column = layout.columns.indexOf(style.hovered.column ?? -1);
  if (column >= 0) {
    context.lineWidth = 1;
    context.globalAlpha = 0.7;
    context.strokeRect(left + column * cellWidth - 1, top - 1, cellWidth + 1, layout.rows.length * cellHeight + 1);
    const hoveredRow = layout.rows.indexOf(style.hovered.row ?? -1);
    if (hoveredRow >= 0) {
      context.strokeRect(left - 1, top + hoveredRow * cellHeight - 1, layout.columns.length * cellWidth + 1, cellHeight + 1);
    }
    context.globalAlpha = 1;
  }
}

function shortened(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return `${text.slice(0, end)}…`;
}
