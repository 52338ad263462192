import { COLOR_TABLES } from "./color_tables";

type Table = keyof typeof COLOR_TABLES;
/** On a dark page the middle of a map for differences is black: as white it would outshine its ends. */
export type ColorMap = Table | `${Table} on dark`;
export const COLOR_MAPS = ["inferno", "viridis", "cividis"] as const satisfies readonly ColorMap[];

/** For differences: zero is the middle. With cividis, which is chosen for colour blindness, the
 * pair that needs no telling red from green. */
export function differenceColors(chosen: ColorMap): Table {
  return chosen === "cividis" ? "PuOr" : "RdBu";
}

const NO_STEP = "N".charCodeAt(0);
const unpacked = new Map<ColorMap, Uint8Array>();

/** 256 RGB triples. */
export function colorTable(name: ColorMap): Uint8Array {
  let table = unpacked.get(name);
  if (!table) {
    const [light, dark] = name.split(" on ") as [Table, string?];
    const packed = COLOR_TABLES[light];
    table = typeof packed === "string" ? unpack(packed) : between(packed);
    if (dark) turnOver(table);
    unpacked.set(name, table);
  }
  return table;
}

/** Reds, greens and blues as steps, to triples. */
function unpack(steps: string): Uint8Array {
  const table = new Uint8Array(steps.length);
  const count = steps.length / 3;
  for (let channel = 0; channel < 3; channel++) {
    let value = 0;
    for (let i = 0; i < count; i++) {
      value += steps.charCodeAt(channel * count + i) - NO_STEP;
      table[3 * i + channel] = value;
    }
  }
  return table;
}

/** Eleven evenly spaced reds, greens and blues, to triples. */
function between(anchors: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: 768 }, (_, i) => {
    const position = Math.floor(i / 3) / 25.5;
    const [from, to] = anchors.slice(11 * (i % 3) + Math.floor(position));
    return from! + ((to ?? 0) - from!) * (position % 1);
  });
}

/** Light becomes dark, at the same hue. */
function turnOver(table: Uint8Array): void {
  for (let i = 0; i < table.length; i += 3) {
    const color = table.subarray(i, i + 3);
    const rest = 255 - Math.max(...color) - Math.min(...color);
    color.forEach((value, channel) => (color[channel] = value + rest));
  }
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
export function matrixColors(chosen: ColorMap, difference = false, dark = false): ColorMap {
  if (difference) return dark ? `${differenceColors(chosen)} on dark` : differenceColors(chosen);
  return chosen === "inferno" ? "viridis" : chosen;
}
