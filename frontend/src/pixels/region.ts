// Image to words: which tokens read most from a part of the image.
import { type Explanation, type Layer, answerToken } from "../data/explanation";
import type { ViewState } from "../view/state";
import { type Group, answerUnits, tokensOf } from "../words/units";
import type { Region } from "./geometry";
import { spanMap } from "./heatmap";

export interface Reader {
  /** A word, or a token. */
  unit: Group;
  /** Mean of its map over the region, in the map's unit. */
  mean: number;
  /** Of all that it reads from the image, the part that lies here. */
  share: number;
}

/** The answer's units, the one that reads most from the region first. */
export function readersOf(explanation: Explanation, layer: Layer, region: Region, { unit, combine }: Pick<ViewState, "unit" | "combine">): Reader[] {
  const weights = coverage(region, layer.rows, layer.cols);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const readers: Reader[] = [];
  for (const group of answerUnits(explanation, unit)) {
    const map = spanMap(layer, tokensOf(group), combine);
    if (!map || answerToken(explanation, group.first)!.special) continue;
    let [inside, all] = [0, 0];
    map.values.forEach((value, i) => {
      if (!(value > 0)) return;
      all += value;
      inside += value * weights[i]!;
    });
    readers.push({ unit: group, mean: total ? inside / total : 0, share: all ? inside / all : 0 });
  }
  return readers.sort((one, other) => other.mean - one.mean);
}

/** How much of each cell the region covers, 0 to 1. */
export function coverage(region: Region, rows: number, cols: number): Float32Array {
  const weights = new Float32Array(rows * cols);
  const overlap = (low: number, high: number, cell: number) => Math.max(0, Math.min(high, cell + 1) - Math.max(low, cell));
  for (let r = 0; r < rows; r++) {
    const down = overlap(region.top * rows, region.bottom * rows, r);
    if (!down) continue;
    for (let c = 0; c < cols; c++) weights[r * cols + c] = down * overlap(region.left * cols, region.right * cols, c);
  }
  return weights;
}
