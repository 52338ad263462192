import { COLOR_TABLES } from "./color_tables";

export type ColorMap = keyof typeof COLOR_TABLES;
export const COLOR_MAPS = ["inferno", "viridis", "cividis"] as const satisfies readonly ColorMap[];

const unpacked = new Map<ColorMap, Uint8Array>();

/** 256 RGB triples. */
export function colorTable(name: ColorMap): Uint8Array {
  let table = unpacked.get(name);
  if (!table) {
    table = Uint8Array.from(atob(COLOR_TABLES[name]), (char) => char.charCodeAt(0));
    unpacked.set(name, table);
  }
  return table;
}

/** Position of a value in a range, clamped to 0..1. */
export function share(value: number, low: number, high: number): number {
  if (!(high > low)) return 0;
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

export function cssColor(name: ColorMap, position: number, alpha = 1): string {
  const table = colorTable(name);
  const i = 3 * Math.round(255 * position);
  return `rgb(${table[i]} ${table[i + 1]} ${table[i + 2]} / ${alpha})`;
}

/** The matrix keeps to a map that reads well without transparency, unless the reader chose one. */
export function matrixColors(chosen: ColorMap): ColorMap {
  return chosen === "inferno" ? "viridis" : chosen;
}
