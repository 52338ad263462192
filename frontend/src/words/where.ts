// Where on the picture a map has its values, in words.
import type { Heatmap } from "../pixels/heatmap";
import { largest } from "../pixels/heatmap";

/** Cells of at least this share of the largest value are where the map points. */
const STRONG = 0.5;
/** Beyond this share of all cells it points nowhere. */
const EVERYWHERE = 0.35;
/** Root mean square distance from their middle, in sides of the picture. */
const APART = 0.2;
const ROWS = ["upper", "", "lower"];
const COLUMNS = ["left", "", "right"];

/** The share of the picture that has at least half of the largest value; NaN where nothing has any. */
export function extentOf(map: Heatmap): number {
  const strong = strongCells(map);
  return strong.length ? strong.length / map.values.length : NaN;
}

/** "upper left", "in the middle", "all over the picture"; empty where there is nothing. */
export function whereText(map: Heatmap): string {
  const strong = strongCells(map);
  if (!strong.length) return "";
  if (strong.length > 1 && strong.length > EVERYWHERE * map.values.length) return "all over the picture";
  const { rows, cols } = map;
  const places = strong.map((cell) => [(Math.floor(cell / cols) + 0.5) / rows, ((cell % cols) + 0.5) / cols] as const);
  const middle = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis]!, 0) / places.length);
  const square = places.reduce((sum, place) => sum + (place[0] - middle[0]!) ** 2 + (place[1] - middle[1]!) ** 2, 0);
  if (Math.sqrt(square / places.length) <= APART) return placeText(middle[0]!, middle[1]!);
  const peak = map.values.indexOf(largest(map.values));
  return `in several places, most ${placeText((Math.floor(peak / cols) + 0.5) / rows, ((peak % cols) + 0.5) / cols)}`;
}

function strongCells({ values }: Heatmap): number[] {
  const high = largest(values);
  return high ? [...values.keys()].filter((cell) => values[cell]! >= STRONG * high) : [];
}

function placeText(y: number, x: number): string {
  const third = (at: number) => Math.min(2, Math.floor(3 * at));
  const [row, column] = [ROWS[third(y)]!, COLUMNS[third(x)]!];
  if (row && column) return `${row} ${column}`;
  if (row) return row === "upper" ? "at the top" : "at the bottom";
  return column ? `at the ${column}` : "in the middle";
}
