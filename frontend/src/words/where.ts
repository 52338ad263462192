// Where on the picture a map has its values, in words.
import { type Heatmap, largest } from "../pixels/heatmap";

/** Cells of at least this share of the largest value are where the map points. */
export const STRONG = 0.5;
/** Beyond this share of all cells it points nowhere. */
const EVERYWHERE = 0.35;
/** Root mean square distance from their middle, in sides of the picture. */
const APART = 0.2;
/** Of two middles, in sides of the picture. */
const MOVED = 0.25;
const ROWS = ["upper", "", "lower"];
const COLUMNS = ["left", "", "right"];

/** From the picture's upper left corner, 0 to 1. */
type Place = readonly [y: number, x: number];

export interface Pointing {
  /** The share of the picture that it covers. */
  extent: number;
  /** "places upper left", "several places, most at the top". */
  text: string;
  /** Of one place; null where it is several, or everywhere. */
  middle: Place | null;
  /** It points at nothing. */
  everywhere?: boolean;
}

/** Where a map has at least half of its largest value; null where it has nothing. */
export function pointing({ rows, cols, values }: Heatmap): Pointing | null {
  const high = largest(values);
  if (!high) return null;
  const strong = [...values.keys()].filter((cell) => values[cell]! >= STRONG * high);
  const extent = strong.length / values.length;
  if (strong.length > 1 && extent > EVERYWHERE) return { extent, text: "places all over the picture", middle: null, everywhere: true };
  const places = strong.map((cell): Place => [(Math.floor(cell / cols) + 0.5) / rows, ((cell % cols) + 0.5) / cols]);
  const mean = (axis: 0 | 1) => places.reduce((sum, place) => sum + place[axis], 0) / places.length;
  const middle: Place = [mean(0), mean(1)];
  const square = places.reduce((sum, place) => sum + distance(place, middle) ** 2, 0) / places.length;
  if (Math.sqrt(square) <= APART) return { extent, text: `places ${placeText(middle)}`, middle };
  const peak = places[strong.indexOf(values.indexOf(high))]!;
  return { extent, text: `several places, most ${placeText(peak)}`, middle: null };
}

/** Whether what pointed at one place now points at another. */
export function hasMoved(one: Pointing, other: Pointing): boolean {
  return !!one.middle && !!other.middle && distance(one.middle, other.middle) > MOVED;
}

function distance([y, x]: Place, [otherY, otherX]: Place): number {
  return Math.hypot(y - otherY, x - otherX);
}

function placeText([y, x]: Place): string {
  const third = (at: number) => Math.min(2, Math.floor(3 * at));
  const [row, column] = [ROWS[third(y)]!, COLUMNS[third(x)]!];
  if (row && column) return `${row} ${column}`;
  if (row) return row === "upper" ? "at the top" : "at the bottom";
  return column ? `at the ${column}` : "in the middle";
}
