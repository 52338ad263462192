export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export type Rect = Point & Size;

/** Part of an image, as shares of its width and height. */
export interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function within(least: number, value: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
