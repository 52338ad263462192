// Where the image lies on the stage, under zoom and pan.
import type { Rect } from "./draw_map";
import type { Zoom } from "../view/state";

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export const LARGEST_ZOOM = 32;
/** Grid lines appear once a cell is this wide and the view is zoomed. */
export const GRID_CELL_PX = 14;

export function imageRect(stage: Size, image: Size, zoom: Zoom): Rect {
  const fit = Math.min(stage.width / image.width, stage.height / image.height);
  const width = image.width * fit * zoom.factor;
  const height = image.height * fit * zoom.factor;
  return {
    x: stage.width / 2 - zoom.x * width,
    y: stage.height / 2 - zoom.y * height,
    width,
    height,
  };
}

/** Magnify about a point of the stage, which stays where it is. */
export function zoomAt(stage: Size, image: Size, zoom: Zoom, at: { x: number; y: number }, by: number): Zoom {
  const factor = Math.min(LARGEST_ZOOM, Math.max(1, zoom.factor * by));
  const before = imageRect(stage, image, zoom);
  const [u, v] = [(at.x - before.x) / before.width, (at.y - before.y) / before.height];
  const growth = factor / zoom.factor;
  return bounded({
    factor,
    x: u + (stage.width / 2 - at.x) / (before.width * growth),
    y: v + (stage.height / 2 - at.y) / (before.height * growth),
  });
}

export function panBy(stage: Size, image: Size, zoom: Zoom, dx: number, dy: number): Zoom {
  const rect = imageRect(stage, image, zoom);
  return bounded({ factor: zoom.factor, x: zoom.x - dx / rect.width, y: zoom.y - dy / rect.height });
}

function bounded(zoom: Zoom): Zoom {
  if (zoom.factor === 1) return { factor: 1, x: 0.5, y: 0.5 };
  const within = (value: number) => Math.min(1, Math.max(0, value));
  return { factor: zoom.factor, x: within(zoom.x), y: within(zoom.y) };
}

/** A point of the stage as shares of the image's width and height. */
export function imagePoint(rect: Rect, x: number, y: number): Point {
  return { x: (x - rect.x) / rect.width, y: (y - rect.y) / rect.height };
}
