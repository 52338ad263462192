// Where the outline of a mask runs, and which objects are outlined.
import { expect, it } from "vitest";
import type { ObjectMask } from "../src/data/explanation";
import { objectIou } from "../src/pixels/object_iou";
import { loopsOf, nameAt, pathOf } from "../src/pixels/outline";
import { namedBy } from "../src/pixels/stage_picture";
import { explanation } from "./fixture";

const mask = (width: number, height: number, ...runs: number[]): ObjectMask => ({ name: "dog", tokens: [0], width, height, runs });
/** Positive where it goes round clockwise, as the screen has it. */
const area = (loop: { x: number; y: number }[]) =>
  loop.reduce((sum, { x, y }, i) => sum + x * loop[(i + 1) % loop.length]!.y - loop[(i + 1) % loop.length]!.x * y, 0) / 2;

it("runs through the middles of the sides between inside and outside", () => {
  expect(loopsOf(mask(4, 2, 2, 1, 5))).toEqual([[{ x: 0.625, y: 0 }, { x: 0.75, y: 0.25 }, { x: 0.625, y: 0.5 }, { x: 0.5, y: 0.25 }]]);
  expect(pathOf(mask(1, 1, 0, 1), { x: 10, y: 0, width: 20, height: 20 })).toBe("M20.0 0.0L30.0 10.0L20.0 20.0L10.0 10.0Z");
});

it("closes around everything that is inside, and around holes the other way", () => {
  // A ring of eight cells about one; and a cell of its own at the corner.
  const ring = loopsOf(mask(5, 5, 0, 3, 2, 1, 1, 1, 2, 3, 11, 1));
  expect(ring.map((loop) => Math.sign(area(loop))).sort()).toEqual([-1, 1, 1]);
  expect(ring.map((loop) => loop.length).sort((one, other) => one - other)).toEqual([4, 4, 12]);
  // Of two that touch at a corner every side is drawn once.
  expect(loopsOf(mask(2, 2, 0, 1, 2, 1)).flat()).toHaveLength(8);
  expect(loopsOf(mask(2, 2, 4))).toEqual([]);
});

it("has its name above, or below where there is no room, and never out of sight", () => {
  const room = { x: 0, y: 0, width: 100, height: 100 };
  expect(nameAt(mask(4, 4, 9, 1, 6), room, room, 40, 10)).toEqual({ x: 37.5, y: 45.5 });
  const low = nameAt(mask(4, 4, 0, 1, 15), room, room, 40, 10);
  expect(low.x).toBe(20);
  expect(low.y).toBeGreaterThan(25);
});

it("is of the selected words alone, and of none where no masks were logged", () => {
  const objects = [mask(1, 1, 0, 1), { ...mask(1, 1, 0, 1), tokens: [2, 3] }];
  const made = { ...explanation("see | a red dog now"), objects };
  expect(namedBy(made, [3])).toEqual([objects[1]]);
  expect(namedBy(made, [1])).toEqual([]);
  expect(namedBy(explanation("see | a dog"), [0])).toBeNull();
});

it("is covered as well as the library's object_iou says", () => {
  const map = (cols: number, ...values: number[]) => ({ rows: values.length / cols, cols, values: Float32Array.from(values) });
  const square = mask(12, 9, 27, 7, 5, 7, 5, 7, 5, 7, 5, 7, 5, 7, 14);
  expect(objectIou(map(4, 0, 1, 2, 1, 0, 5, 9, 2, 1, 7, 8, 3), square)).toBeCloseTo(0.6326530612244898, 12);
  const disc = mask(32, 24, 175, 7, 23, 11, 20, 13, 19, 13, 18, 15, 17, 15, 17, 15, 17, 15, 17, 15, 17, 15, 17, 15, 18, 13, 19, 13, 20, 11, 23, 7, 138);
  const noise = map(
    8, 0.029, 0.224, 2.568, 1.356, 0.035, 0.75, 0.918, 0.102, 2.158, 0.052, 0.612, 1.068, 0.742, 1.377, 2.178, 3.658, 0.323, 1.682, 1.939, 0.343,
    0, 3.79, 0.356, 0.394, 3.181, 1.37, 0.889, 2.392, 0.004, 1.999, 0.56, 0.033, 1.745, 3.47, 0.172, 1.588, 0.356, 2.201, 2.086, 0.191, 2.755,
    1.73, 1.865, 2.69, 0.735, 2.303, 3.087, 0.042,
  );
  expect(objectIou(noise, disc)).toBeCloseTo(0.17286652078774617, 12);
  expect(objectIou(map(2, 1, NaN), square)).toBeNull();
  expect(objectIou(map(2, 3, 3), square)).toBe(0);
});
