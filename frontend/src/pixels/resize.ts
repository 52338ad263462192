// A map on another grid.
import type { Heatmap } from "./heatmap";

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
