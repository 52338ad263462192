// A map to draw: of one token or a span, of one explanation or the difference of two.
import { type Explanation, type Layer, mapOf, shownLayers } from "../data/explanation";
import type { Combination } from "../view/state";

export interface Heatmap {
  rows: number;
  cols: number;
  values: Float32Array;
}

/** The tokens' maps, averaged, summed, or the largest of each cell's; one token's is not copied. Null where there is none.
 * What they lose together is the sum, whatever is wished. */
export function spanMap(layer: Layer, tokens: readonly number[], combine: Combination): Heatmap | null {
  const maps = tokens.flatMap((token) => mapOf(layer, token) ?? []);
  const [first] = maps;
  if (!first) return null;
  const { rows, cols, used } = layer;
  const how = used ? "sum" : combine;
  if (maps.length === 1) return { rows, cols, values: first };
  const values = first.slice();
  for (const map of maps.slice(1)) {
    // No value is larger than none: NaN stays.
    map.forEach((value, i) => (values[i] = how === "max" ? Math.max(values[i]!, value) : values[i]! + value));
  }
  if (how === "mean") values.forEach((value, i) => (values[i] = value / maps.length));
  return { rows, cols, values };
}

export function largest(values: Float32Array): number {
  return values.reduce((best, value) => (value > best ? value : best), 0);
}

export function largestSize(values: Float32Array): number {
  return values.reduce((best, value) => (Math.abs(value) > best ? Math.abs(value) : best), 0);
}

/** The layer of the same scale, or the same measure, in another explanation. */
export function sameLayer(explanation: Explanation, layer: Layer): Layer | undefined {
  return shownLayers(explanation).find((other) => other.factor === layer.factor && !other.used === !layer.used);
}
