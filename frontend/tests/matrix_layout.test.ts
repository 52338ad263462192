import { describe, expect, it } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { PointerGestures } from "../src/pixels/gesture";
import { cellUnder, inView, labelled, layoutMatrix } from "../src/matrix/matrix_layout";
import { MatrixScene } from "../src/matrix/matrix_scene";
import { tipPlace } from "../src/matrix/matrix_tip_place";
import { FITTED, matrixPlane, reveal, zoomedLayout } from "../src/matrix/matrix_zoom";
import { panBy, zoomAt } from "../src/pixels/zoom";
import { explanation } from "./fixture";

const LABELS = { left: 84, top: 72 };
const ROOM = { width: 584, height: 472 };

/** So many tokens, without their values: a layout does not look at them. */
function sized(prompt: number, answer: number): Explanation {
  const context = Array.from({ length: prompt + answer }, (_, id) => ({ id, text: " x", special: false, turn: 0 }));
  return { ...explanation("a | b"), context, promptLength: prompt, matrix: null };
}

const small = layoutMatrix(sized(4, 10), false, ROOM, LABELS);
const large = layoutMatrix(sized(2000, 1000), false, ROOM, LABELS);
const plane = matrixPlane(large);

describe("the fitted matrix", () => {
  it("has cells of whole or half pixels, not taller than wide, while they can be told apart", () => {
    expect(small.cellWidth * 2).toBe(Math.round(small.cellWidth * 2));
    expect(small.cellWidth).toBeGreaterThanOrEqual(small.cellHeight);
    expect(small.cellHeight).toBeGreaterThan(20);
  });

  it("fits at any size", () => {
    expect(large.left + 3000 * large.cellWidth).toBeLessThanOrEqual(ROOM.width);
    expect(large.top + 1000 * large.cellHeight).toBeLessThanOrEqual(ROOM.height);
    expect(large.cellHeight).toBeCloseTo(2 * large.cellWidth);
  });
});

describe("zooming and panning the matrix", () => {
  const at = { x: 384, y: 222 };
  const cell = (layout: typeof large) => ({
    row: (at.y - layout.y) / layout.cellHeight,
    column: (at.x - layout.x) / layout.cellWidth,
  });

  it("keeps the cell under the pointer", () => {
    const before = cell(large);
    let zoom = FITTED;
    for (const by of [2, 1.7, 5, 0.8]) zoom = zoomAt(plane, zoom, at, by);
    const after = cell(zoomedLayout(large, zoom));
    expect(zoom.factor).toBeCloseTo(13.6);
    expect(after.row).toBeCloseTo(before.row);
    expect(after.column).toBeCloseTo(before.column);
  });

  it("comes back to the whole matrix, wherever it was", () => {
    const zoom = panBy(plane, zoomAt(plane, FITTED, at, 9), -300, -40);
    expect(zoomAt(plane, zoom, { x: 500, y: 90 }, 0.001)).toEqual(FITTED);
  });

  it("ends at cells that are large enough to read", () => {
    const { cellWidth, cellHeight } = zoomedLayout(large, zoomAt(plane, FITTED, at, 1e9));
    expect(Math.min(cellWidth, cellHeight)).toBeCloseTo(60);
  });

  it("moves the cells with the pointer, to the ends and no further", () => {
    const zoom = zoomAt(plane, FITTED, at, 20);
    const [before, after] = [zoom, panBy(plane, zoom, 30, -12)].map((state) => zoomedLayout(large, state));
    expect(after!.x - before!.x).toBeCloseTo(30);
    expect(after!.y - before!.y).toBeCloseTo(-12);
    expect(panBy(plane, zoom, 1e6, 1e6)).toEqual({ factor: 20, x: 0, y: 0 });
    const last = zoomedLayout(large, panBy(plane, zoom, -1e6, -1e6));
    expect(last.x + 3000 * last.cellWidth).toBeLessThanOrEqual(ROOM.width);
    expect(last.y + 1000 * last.cellHeight).toBeCloseTo(ROOM.height - 2);
  });

  it("finds every cell in view under its middle, and none under the labels", () => {
    const layout = zoomedLayout(large, zoomAt(plane, FITTED, at, 100));
    const { rows, columns } = inView(layout);
    expect(rows[1] - rows[0]).toBeLessThan(20);
    for (let r = rows[0] + 1; r < rows[1] - 1; r++) {
      for (let c = columns[0] + 1; c < columns[1] - 1; c++) {
        const middle = [layout.x + (c + 0.5) * layout.cellWidth, layout.y + (r + 0.5) * layout.cellHeight] as const;
        expect(cellUnder(layout, ...middle)).toEqual({ r, c });
      }
    }
    expect(cellUnder(layout, 300, 71)).toBeNull();
    expect(cellUnder(layout, 20, 300)?.c).toBeNull();
  });

  it("reveals a cell with the least movement", () => {
    const zoom = zoomAt(plane, FITTED, at, 100);
    const { rows, columns } = inView(zoomedLayout(large, zoom));
    expect(reveal(large, zoom, rows[0] + 2, columns[0] + 2)).toBe(zoom);
    const moved = zoomedLayout(large, reveal(large, zoom, 900, 10));
    expect(moved.y + 901 * moved.cellHeight).toBeCloseTo(ROOM.height - 2);
    expect(moved.x + 10 * moved.cellWidth).toBeCloseTo(LABELS.left);
    expect(reveal(large, FITTED, 999, 2999)).toEqual(FITTED);
  });
});

describe("a scene", () => {
  const subject = {
    explanation: sized(2000, 1000),
    mode: "relevance",
    colors: "viridis",
    template: false,
    grouping: "tokens",
    room: ROOM,
  } as const;

  it("keeps its zoom for another explanation of the same shape, and fits one of another", () => {
    const scene = new MatrixScene(subject);
    scene.zoomBy(30, { x: 300, y: 200 });
    scene.show({ ...subject, explanation: sized(2000, 1000) });
    expect(scene.zoomed).toBe(true);
    scene.show({ ...subject, explanation: sized(2000, 999) });
    expect(scene.zoomed).toBe(false);
  });

  it("pans a selected row into view, and not sideways", () => {
    const scene = new MatrixScene(subject);
    scene.zoomBy(100, { x: 300, y: 200 });
    const { x } = scene.layout;
    scene.reveal({ row: 950, column: null });
    const { rows } = inView(scene.layout);
    expect(rows[0] <= 950 && 950 < rows[1]).toBe(true);
    expect(scene.layout.x).toBe(x);
    expect(scene.cellOf({ row: 10, column: 10 })).toBeNull();
  });
});

describe("labels", () => {
  it("stand at every cell that has the room, and thin out evenly where it has not", () => {
    expect(labelled([3, 7], 10 / 12, [])).toEqual([3, 4, 5, 6]);
    expect(labelled([3, 20], 10 / 3, [])).toEqual([4, 8, 12, 16]);
  });

  it("stay where they are while others come in between", () => {
    for (let clear = 100; clear > 0.5; clear /= 1.1) {
      const closer = new Set(labelled([0, 500], clear / 1.1, []));
      expect(labelled([0, 500], clear, []).every((i) => closer.has(i))).toBe(true);
    }
  });

  it("make way for those that are marked, of which the first comes first", () => {
    expect(labelled([0, 16], 10 / 3, [7, 9])).toEqual([7, 0, 12]);
    expect(labelled([0, 3], 0.5, [1])).toEqual([1, 0, 2]);
  });
});

describe("the tip", () => {
  const tip = { width: 200, height: 100 };
  const cell = (x: number, y: number) => ({ x, y, width: 20, height: 20 });

  it("lies beside its cell, on the side that has the room", () => {
    expect(tipPlace(cell(100, 100), tip, ROOM)).toEqual({ x: 130, y: 130 });
    expect(tipPlace(cell(500, 400), tip, ROOM)).toEqual({ x: 290, y: 290 });
  });

  it("stays inside the room", () => {
    const room = { width: 300, height: 120 };
    for (const x of [0, 150, 280]) {
      const place = tipPlace(cell(x, 60), tip, room);
      expect(place.x).toBeGreaterThanOrEqual(0);
      expect(place.x + tip.width).toBeLessThanOrEqual(room.width);
      expect(place.y + tip.height).toBeLessThanOrEqual(room.height);
    }
  });
});

describe("pointers", () => {
  it("drag once they have moved too far for a click", () => {
    const pointers = new PointerGestures();
    pointers.press(1, { x: 10, y: 10 });
    expect(pointers.move(1, { x: 12, y: 11 })).toBeNull();
    expect(pointers.dragged).toBe(false);
    expect(pointers.move(1, { x: 20, y: 10 })).toMatchObject({ dx: 10, dy: 0, by: 1 });
    pointers.release(1);
    expect(pointers.dragged).toBe(true);
    expect(pointers.move(1, { x: 90, y: 10 })).toBeNull();
    pointers.press(1, { x: 0, y: 0 });
    expect(pointers.dragged).toBe(false);
  });

  it("magnify with two fingers about their middle", () => {
    const pointers = new PointerGestures();
    pointers.press(1, { x: 0, y: 0 });
    pointers.press(2, { x: 10, y: 0 });
    expect(pointers.move(2, { x: 20, y: 0 })).toEqual({ dx: 5, dy: 0, by: 2, at: { x: 10, y: 0 } });
  });
});
