// What one or two pointers do to what can be zoomed: a drag moves it, two fingers magnify it as well. A
// press that hardly moves is a click, and moves nothing.
import type { Point } from "./geometry";

export interface Gesture {
  /** Moved by so many pixels, and magnified about a point. */
  dx: number;
  dy: number;
  by: number;
  at: Point;
}

const CLICK_PX = 4;
const WHEEL_ZOOM = 0.0018;
/** Pinching a touchpad comes as a wheel of small turns, with Ctrl. */
const PINCH_ZOOM = 0.01;

export function wheelZoom({ deltaY, ctrlKey }: Pick<WheelEvent, "deltaY" | "ctrlKey">): number {
  return Math.exp(-deltaY * (ctrlKey ? PINCH_ZOOM : WHEEL_ZOOM));
}

export class PointerGestures {
  private readonly pointers = new Map<number, Point>();
  private start: Point = { x: 0, y: 0 };
  /** The pointers have moved too far since the first press for a click. */
  dragged = false;

  get pressed(): boolean {
    return this.pointers.size > 0;
  }

  press(pointer: number, at: Point): void {
    if (!this.pressed) {
      this.start = at;
      this.dragged = false;
    }
    this.pointers.set(pointer, at);
  }

  /** Null while nothing is pressed, and while it may still become a click. */
  move(pointer: number, at: Point): Gesture | null {
    const before = this.pointers.get(pointer);
    if (!before) return null;
    const drags = this.dragged || this.pointers.size > 1 || distance(this.start, at) > CLICK_PX;
    if (!drags) return null;
    this.dragged = true;
    this.pointers.set(pointer, at);
    const other = [...this.pointers].find(([id]) => id !== pointer)?.[1];
    const [dx, dy] = [at.x - before.x, at.y - before.y];
    if (!other) return { dx, dy, by: 1, at };
    const by = Math.max(1, distance(other, at)) / Math.max(1, distance(other, before));
    return { dx: dx / 2, dy: dy / 2, by, at: { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 } };
  }

  release(pointer: number): void {
    this.pointers.delete(pointer);
  }
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
