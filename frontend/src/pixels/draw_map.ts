// A heatmap's cells as pixels: colour by table, alpha growing with the value, NaN hatched.
import { type ColorMap, colorTable, share } from "./color";
import type { Rect, Region } from "./geometry";
import type { Heatmap } from "./heatmap";
import type { Range } from "./range";

/** RGBA of each cell. Zero is see-through; full opacity is reached at half the range, so that the
 * colour, not the transparency, tells strong from strongest. A range that begins below zero is a
 * difference's: zero is its middle. */
export function cellPixels(
  values: Float32Array,
  range: Range,
  colors: ColorMap,
  opacity: number,
): Uint8ClampedArray<ArrayBuffer> {
  const table = colorTable(colors);
  const pixels = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    const position = share(value, range.low, range.high);
    const strength = range.low < 0 ? Math.abs(2 * position - 1) : position;
    const color = 3 * Math.round(255 * position);
    pixels[4 * i] = table[color]!;
    pixels[4 * i + 1] = table[color + 1]!;
    pixels[4 * i + 2] = table[color + 2]!;
    pixels[4 * i + 3] = 255 * opacity * Math.min(1, 2 * strength);
  }
  return pixels;
}

/** The image itself, without its colours where they would compete with the heatmap's. */
export function drawPicture(
  context: CanvasRenderingContext2D,
  bitmap: ImageBitmap,
  target: Rect,
  grey: boolean,
): void {
  context.imageSmoothingEnabled = target.width < 4 * bitmap.width;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, target.x, target.y, target.width, target.height);
  if (!grey) return;
  // Not `filter`: Safari has none on canvases.
  context.globalCompositeOperation = "saturation";
  context.fillStyle = "#808080";
  context.fillRect(target.x, target.y, target.width, target.height);
  context.globalCompositeOperation = "source-over";
}

export interface MapStyle {
  range: Range;
  colors: ColorMap;
  opacity: number;
  smooth: boolean;
  hatch: string;
}

export function drawMap(
  context: CanvasRenderingContext2D,
  { values, rows, cols }: Heatmap,
  target: Rect,
  style: MapStyle,
): void {
  const cells = new OffscreenCanvas(cols, rows);
  const pixels = cellPixels(values, style.range, style.colors, style.opacity);
  cells.getContext("2d")!.putImageData(new ImageData(pixels, cols, rows), 0, 0);
  context.imageSmoothingEnabled = style.smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(cells, target.x, target.y, target.width, target.height);
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) hatchCell(context, cellRect(target, rows, cols, i), style.hatch);
  }
}

export function cellRect(target: Rect, rows: number, cols: number, index: number): Rect {
  const [width, height] = [target.width / cols, target.height / rows];
  return {
    x: target.x + (index % cols) * width,
    y: target.y + Math.floor(index / cols) * height,
    width,
    height,
  };
}

/** Diagonal lines: there is no value here, which is not the same as zero. */
export function hatchCell(context: CanvasRenderingContext2D, cell: Rect, color: string): void {
  context.save();
  context.beginPath();
  context.rect(cell.x, cell.y, cell.width, cell.height);
  context.clip();
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  const gap = 5;
  const start = Math.floor((cell.x + cell.y) / gap) * gap;
  for (let sum = start; sum < cell.x + cell.y + cell.width + cell.height; sum += gap) {
    context.moveTo(sum - cell.y, cell.y);
    context.lineTo(sum - cell.y - cell.height, cell.y + cell.height);
  }
  context.stroke();
  context.restore();
}

export function drawGrid(
  context: CanvasRenderingContext2D,
  rows: number,
  cols: number,
  target: Rect,
  color: string,
): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  for (let col = 0; col <= cols; col++) {
    const x = Math.round(target.x + (col * target.width) / cols) + 0.5;
    context.moveTo(x, target.y);
    context.lineTo(x, target.y + target.height);
  }
  for (let row = 0; row <= rows; row++) {
    const y = Math.round(target.y + (row * target.height) / rows) + 0.5;
    context.moveTo(target.x, y);
    context.lineTo(target.x + target.width, y);
  }
  context.stroke();
}

/** The part of the image that is asked about: light on dark, so that it shows on any map. */
export function drawRegion(context: CanvasRenderingContext2D, region: Region, target: Rect): void {
  const x = target.x + region.left * target.width;
  const y = target.y + region.top * target.height;
  const path = new Path2D();
  path.rect(x, y, (region.right - region.left) * target.width, (region.bottom - region.top) * target.height);
  drawLine(context, path, 2);
}

/** Where the pointer of the stage beside is. */
export function drawCross(context: CanvasRenderingContext2D, x: number, y: number): void {
  drawLine(context, new Path2D(`M${x - 9} ${y}h18M${x} ${y - 9}v18`), 1);
}

function drawLine(context: CanvasRenderingContext2D, path: Path2D, width: number): void {
  for (const [color, lineWidth] of [["rgb(0 0 0 / 0.7)", width + 2], ["#fff", width]] as const) {
    context.strokeStyle = color;
    context.lineWidth = lineWidth;
    context.stroke(path);
  }
}
