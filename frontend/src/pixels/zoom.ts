// Zoom and pan: of the image on the stage, and of the matrix's cells.
import { type Point, type Rect, type Size, within } from "./geometry";
import type { Gesture } from "./gesture";

export interface Zoom {
  /** Magnification, 1 = the whole. */
  factor: number;
  /** The place that lies at the plane's anchor, as shares of the whole's width and height. */
  x: number;
  y: number;
}

/** What is magnified. */
export interface Plane {
  /** A point of the room: the stage's centre, the matrix's first cell. */
  anchor: Point;
  /** In pixels, at factor 1. */
  size: Size;
  largest: number;
  /** The nearest zoom that may be. */
  bounded(zoom: Zoom): Zoom;
}

export const WHOLE: Zoom = { factor: 1, x: 0.5, y: 0.5 };
const LARGEST_ZOOM = 32;
/** Grid lines appear once a cell is this wide and the view is zoomed. */
export const GRID_CELL_PX = 14;

/** Magnify about a point of the room: what lies there stays there. */
export function zoomAt(plane: Plane, zoom: Zoom, at: Point, by: number): Zoom {
  const { anchor, size } = plane;
  const factor = within(1, zoom.factor * by, plane.largest);
  const shrunk = 1 / zoom.factor - 1 / factor;
  return plane.bounded({
    factor,
    x: zoom.x + ((at.x - anchor.x) / size.width) * shrunk,
    y: zoom.y + ((at.y - anchor.y) / size.height) * shrunk,
  });
}

/** Move by so many pixels of the room. */
export function panBy({ size, bounded }: Plane, { factor, x, y }: Zoom, dx: number, dy: number): Zoom {
  return bounded({ factor, x: x - dx / (size.width * factor), y: y - dy / (size.height * factor) });
}

/** What fingers, or a drag, have done. */
export function follow(plane: Plane, zoom: Zoom, { dx, dy, by, at }: Gesture): Zoom {
  return zoomAt(plane, panBy(plane, zoom, dx, dy), at, by);
}

/** An image that fits the stage at factor 1. */
export function stagePlane(stage: Size, image: Size): Plane {
  const fit = Math.min(stage.width / image.width, stage.height / image.height);
  return {
    anchor: { x: stage.width / 2, y: stage.height / 2 },
    size: { width: image.width * fit, height: image.height * fit },
    largest: LARGEST_ZOOM,
    bounded: ({ factor, x, y }) => (factor === 1 ? WHOLE : { factor, x: within(0, x, 1), y: within(0, y, 1) }),
  };
}

/** Where the image lies on the stage. */
export function imageRect(stage: Size, image: Size, zoom: Zoom = WHOLE): Rect {
  const { anchor, size } = stagePlane(stage, image);
  const [width, height] = [size.width * zoom.factor, size.height * zoom.factor];
  return { x: anchor.x - zoom.x * width, y: anchor.y - zoom.y * height, width, height };
}

/** A point of the stage as shares of the image's width and height. */
export function imagePoint(rect: Rect, x: number, y: number): Point {
  return { x: (x - rect.x) / rect.width, y: (y - rect.y) / rect.height };
}
