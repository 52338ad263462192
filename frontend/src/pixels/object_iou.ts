// How well a map, cut at its own threshold, covers an object: obj_iou of one object, as
// mmx_core/metrics/plausibility.py has it.
import type { ObjectMask } from "../data/explanation";
import type { Heatmap } from "./heatmap";
import { insideOf } from "./outline";
import { resize } from "./resize";

const LEVELS = 256;

/** Null for a map that has no value somewhere. */
export function objectIou(map: Heatmap, mask: ObjectMask): number | null {
  const { rows, cols, values } = map;
  if (values.some(Number.isNaN)) return null;
  const [low, high] = endsOf(values);
  const levels = values.map((value) => Math.trunc(((value - low) / (high - low || 1)) * (LEVELS - 1)));
  const large = resize({ rows, cols, values: levels }, mask.height, mask.width).map(toWhole);
  const cut = otsuThreshold(large);
  const inside = insideOf(mask);
  let [both, either] = [0, 0];
  large.forEach((value, i) => {
    const isBright = value > cut;
    both += +(isBright && !!inside[i]);
    either += +(isBright || !!inside[i]);
  });
  return either ? both / either : 0;
}

/** The level that tells dark and bright apart best; the value itself where all are one. */
function otsuThreshold(values: Float32Array): number {
  const [low, high] = endsOf(values);
  if (high <= low) return low;
  const counts = new Float64Array(LEVELS);
  for (const value of values) counts[toWhole(((value - low) / (high - low)) * (LEVELS - 1))]! += 1 / values.length;
  const whole = counts.reduce((sum, count, level) => sum + count * level, 0);
  let [below, mass, best, most] = [0, 0, 0, 0];
  counts.forEach((count, level) => {
    below += count;
    mass += count * level;
    const between = (whole * below - mass) ** 2 / (below * (1 - below));
    if (Number.isFinite(between) && between > most) [best, most] = [level, between];
  });
  return low + ((best + 0.5) / (LEVELS - 1)) * (high - low);
}

/** Halves to the even one, as NumPy does. */
function toWhole(value: number): number {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 ? up - 1 : up;
}

function endsOf(values: Float32Array): [low: number, high: number] {
  return [values.reduce((least, value) => Math.min(least, value), Infinity), values.reduce((most, value) => Math.max(most, value), -Infinity)];
}
