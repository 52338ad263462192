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

/** The cell under a point of the image, as a region. */
export function cellRegion(u: number, v: number, rows: number, cols: number): Region {
  const [col, row] = [Math.min(cols - 1, Math.floor(u * cols)), Math.min(rows - 1, Math.floor(v * rows))];
  return { left: col / cols, top: row / rows, right: (col + 1) / cols, bottom: (row + 1) / rows };
}

/** Of an image, cut at its edges, whichever corners the two are. */
export function regionBetween(one: Point, other: Point): Region {
  const share = (value: number) => within(0, value, 1);
  return {
    left: share(Math.min(one.x, other.x)),
    top: share(Math.min(one.y, other.y)),
    right: share(Math.max(one.x, other.x)),
    bottom: share(Math.max(one.y, other.y)),
  };
}
