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

/** A minus B, on the finer of the two grids. */
export function difference(a: Heatmap, b: Heatmap): Heatmap {
  const { rows, cols } = a.rows * a.cols >= b.rows * b.cols ? a : b;
  const [first, second] = [resize(a, rows, cols), resize(b, rows, cols)];
  return { rows, cols, values: first.map((value, i) => value - second[i]!) };
}

/** Bilinear, cell centres aligned: what the library does to aggregate scales. */
export function resize({ rows, cols, values }: Heatmap, toRows: number, toCols: number): Float32Array {
  if (rows === toRows && cols === toCols) return values;
  const out = new Float32Array(toRows * toCols);
  for (let r = 0; r < toRows; r++) {
    const [top, bottom, down] = between(r, toRows, rows);
    for (let c = 0; c < toCols; c++) {
      const [left, right, across] = between(c, toCols, cols);
      const at = (row: number, col: number) => values[row * cols + col]!;
      const upper = at(top, left) * (1 - across) + at(top, right) * across;
      const lower = at(bottom, left) * (1 - across) + at(bottom, right) * across;
      out[r * toCols + c] = upper * (1 - down) + lower * down;
    }
  }
  return out;
}

function between(index: number, count: number, cells: number): [number, number, number] {
  const place = Math.max(0, ((index + 0.5) * cells) / count - 0.5);
  const low = Math.min(cells - 1, Math.floor(place));
  return [low, Math.min(cells - 1, low + 1), place - low];
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
