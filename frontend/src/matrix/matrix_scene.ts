// The matrix as it is seen: of which values, in which groups, how far zoomed in. Keeps what is
// costly to make, the layout and the painted cells, until something that it was made from changes.
import type { ColorMap } from "../pixels/color";
import { drawCells, drawnLevel } from "./draw_matrix";
import type { Explanation } from "../data/explanation";
import { gatherCells, strongestCell } from "./matrix_cells";
import type { Grouping } from "./matrix_groups";
import { type Group, groupIndex } from "../words/units";
import { type MatrixLayout, cellUnder, layoutMatrix, placeOf } from "./matrix_layout";
import { MatrixPicture } from "./matrix_picture";
import { largestValue } from "./matrix_text";
import { type ShownMode, isSigned } from "./matrix_values";
import { FITTED, matrixPlane, reveal, zoomedLayout } from "./matrix_zoom";
import type { Point, Rect, Size } from "../pixels/geometry";
import type { Gesture } from "../pixels/gesture";
import { type Zoom, follow, zoomAt } from "../pixels/zoom";

export interface MatrixSubject {
  explanation: Explanation;
  mode: ShownMode;
  colors: ColorMap;
  template: boolean;
  grouping: Grouping;
  room: Size;
}

/** Answer token and context token; null where none is meant. */
export interface MatrixPlace {
  row: number | null;
  column: number | null;
}

const LABEL_ROOM = { left: 84, top: 72 };
/** Smaller cells call for zooming in. */
const READABLE_CELL = 8;

export class MatrixScene {
  /** What is seen, labels and all. */
  layout: MatrixLayout;
  /** The value of the brightest colour. */
  high: number;
  private fitted: MatrixLayout;
  private zoom = FITTED;
  private picture: MatrixPicture | null = null;

  constructor(private subject: MatrixSubject) {
    this.fitted = this.layout = fit(subject);
    this.high = largestValue(subject.explanation, subject.mode);
  }

  /** Zoom and pan stay, unless the matrix has got another shape. */
  show(subject: MatrixSubject): void {
    const before = this.subject;
    const differs = (...names: (keyof MatrixSubject)[]) => names.some((name) => subject[name] !== before[name]);
    this.subject = subject;
    if (differs("explanation", "template", "grouping", "mode", "colors")) {
      this.high = largestValue(subject.explanation, subject.mode);
      this.picture = null;
    }
    if (!differs("explanation", "template", "grouping", "room")) return;
    const { rows, columns } = this.fitted;
    this.fitted = fit(subject);
    const same = rows.length === this.fitted.rows.length && columns.length === this.fitted.columns.length;
    this.look(same ? matrixPlane(this.fitted).bounded(this.zoom) : FITTED);
  }

  get zoomed(): boolean {
    return this.zoom.factor > 1;
  }

  /** The cells of the whole matrix cannot be read. */
  get dense(): boolean {
    return this.fitted.cellHeight < READABLE_CELL;
  }

  reset(): void {
    this.look(FITTED);
  }

  zoomBy(by: number, at: Point): void {
    this.look(zoomAt(matrixPlane(this.fitted), this.zoom, this.onCells(at), by));
  }

  follow(gesture: Gesture): void {
    this.look(follow(matrixPlane(this.fitted), this.zoom, { ...gesture, at: this.onCells(gesture.at) }));
  }

  /** Pan a row and a column into view. */
  reveal({ row, column }: MatrixPlace): void {
    const { rows, columns } = this.layout;
    this.look(reveal(this.fitted, this.zoom, groupIndex(rows, row), groupIndex(columns, column)));
  }

  /** The place under a point; of cells too small to tell apart the one whose colour is seen. */
  placeAt({ x, y }: Point, pixelRatio: number): MatrixPlace {
    const { layout, picture } = this;
    const cell = cellUnder(layout, x, y);
    if (!cell) return { row: null, column: null };
    if (cell.c === null || !picture) return placeOf(layout, cell.r, cell.c);
    const { r, c } = strongestCell(picture.cells, drawnLevel(layout, pixelRatio), cell.r, cell.c);
    return placeOf(layout, r, c);
  }

  /** The groups that a place's tokens are in, and where their cell lies; null for no cell, or one
   * that is out of view. */
  cellOf({ row, column }: MatrixPlace): { row: Group; column: Group; rect: Rect } | null {
    const { rows, columns, cellWidth: width, cellHeight: height, ...layout } = this.layout;
    const [r, c] = [groupIndex(rows, row), groupIndex(columns, column)];
    const [x, y] = [layout.x + c * width, layout.y + r * height];
    const across = x + width > layout.left && x < layout.width;
    const down = y + height > layout.top && y < layout.height;
    return r >= 0 && c >= 0 && across && down
      ? { row: rows[r]!, column: columns[c]!, rect: { x, y, width, height } }
      : null;
  }

  /** The middle of the row and column in view; of the view where they are not. */
  centreOf({ row, column }: MatrixPlace): Point {
    const { rows, columns, left, top, width, height, x, y, cellWidth, cellHeight } = this.layout;
    const middle = (i: number, origin: number, cell: number, from: number, to: number) => {
      const at = origin + (i + 0.5) * cell;
      return i >= 0 && at >= from && at <= to ? at : (from + to) / 2;
    };
    return {
      x: middle(groupIndex(columns, column), x, cellWidth, left, width),
      y: middle(groupIndex(rows, row), y, cellHeight, top, height),
    };
  }

  drawCells(context: CanvasRenderingContext2D, hatch: string): void {
    const { explanation, mode, colors } = this.subject;
    this.picture ??= new MatrixPicture(
      gatherCells(explanation, mode, this.layout),
      isSigned(explanation, mode) ? -this.high : 0,
      this.high,
      colors,
    );
    drawCells(context, this.picture, explanation, this.layout, hatch);
  }

  /** Over a label, the first cell beside it. */
  private onCells({ x, y }: Point): Point {
    return { x: Math.max(x, this.fitted.left), y: Math.max(y, this.fitted.top) };
  }

  private look(zoom: Zoom): void {
    this.zoom = zoom;
    this.layout = zoomedLayout(this.fitted, zoom);
  }
}

function fit({ explanation, template, room, grouping }: MatrixSubject): MatrixLayout {
  return layoutMatrix(explanation, template, room, LABEL_ROOM, grouping);
}
