// The region by keys: it begins where the map is strongest, and goes and grows by cells.
import { type Region, cellRegion, within } from "./geometry";
import { type Heatmap, largestSize } from "./heatmap";

/** The map's strongest cell. */
export function strongestCell({ values, rows, cols }: Heatmap): Region {
  const most = largestSize(values);
  const cell = Math.max(0, values.findIndex((value) => Math.abs(value) === most));
  return cellRegion(((cell % cols) + 0.5) / cols, (Math.floor(cell / cols) + 0.5) / rows, rows, cols);
}

/** After an arrow key: moved by a cell, or with Shift its far corner is; null for any other key. */
export function steered(region: Region, { key, shiftKey }: Pick<KeyboardEvent, "key" | "shiftKey">, { rows, cols }: Pick<Heatmap, "rows" | "cols">): Region | null {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!way) return null;
  const across = along(region.left, region.right, way[0]!, cols, shiftKey);
  const down = along(region.top, region.bottom, way[1]!, rows, shiftKey);
  return { left: across[0], right: across[1], top: down[0], bottom: down[1] };
}

/** In whole cells, at least one of them, within the image. */
function along(low: number, high: number, by: number, cells: number, grows: boolean): [number, number] {
  if (!by) return [low, high];
  const [first, end] = [Math.round(low * cells), Math.round(high * cells)];
  if (grows) return [first / cells, within(first + 1, end + by, cells) / cells];
  const start = within(0, first + by, cells - (end - first));
  return [start / cells, (start + end - first) / cells];
}
