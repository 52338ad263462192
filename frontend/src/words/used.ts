// Which cells a word used, beside which places would say it: whether the two agree. The rule, and what it
// finds, stand in docs/influence.md.
import type { Explanation } from "../data/explanation";
import { type Heatmap, largest, spanMap } from "../pixels/heatmap";
import { resize } from "../pixels/resize";
import type { Peaks } from "../pixels/range";
import { HELPS, NEEDS, strengthOf } from "./evidence";
import { gainOf } from "./figures";
import { STRONG, pointing } from "./where";

/** In few letters: seen and used; only one of both; used, but elsewhere; no part alone; none. */
export const USE_NAMES = { same: "as seen", unused: "not used", unseen: "not seen", elsewhere: "elsewhere", together: "no one part", none: "no part" };

export interface Use {
  kind: keyof typeof USE_NAMES;
  /** The object is seen and the word does not depend on it, or the reverse. */
  differs: boolean;
  /** Nats lost without the part that costs most, and where that is. */
  most: number;
  place: string;
  /** Nats lost without the part that costs most of those that would say the word; 0 without such. */
  seen: number;
}

/** Of the largest value at any step: a map with less does not see the word clearly. */
const CLEAR = 0.3;

/** Of some tokens together, in the image in view; null where it was not measured. */
export function useOf(explanation: Explanation, tokens: readonly number[], held: Peaks): Use | null {
  const map = explanation.used && !explanation.occlusion && spanMap(explanation.used, tokens, "sum");
  if (!map) return null;
  const places = clearPlaces(explanation, tokens, held, map);
  const most = largest(map.values);
  const seen = places.reduce((best, cell) => Math.max(best, map.values[cell]!), 0);
  const kind = kindOf(places.length > 0, seen, most, gainOf(explanation, tokens), !strongCells(map).some((cell) => places.includes(cell)));
  return { kind, differs: ["unused", "unseen", "elsewhere"].includes(kind), most, place: pointing(map)?.text ?? "", seen };
}

/** A part that costs nothing may be used together with others that hold the same: what needs the picture is not unused. */
function kindOf(isSeen: boolean, seen: number, most: number, gain: number | null, apart: boolean): Use["kind"] {
  if (seen >= HELPS) return "same";
  if (apart && most >= NEEDS) return isSeen ? "elsewhere" : "unseen";
  if (gain !== null && gain >= NEEDS) return "together";
  return isSeen && gain !== null && gain < HELPS && most < HELPS ? "unused" : "none";
}

/** Cells of the grid of what was used that would say the word; none where no place clearly would. */
function clearPlaces({ layers, views }: Explanation, tokens: readonly number[], held: Peaks, { rows, cols }: Heatmap): number[] {
  const said = spanMap(layers.at(-1)!, tokens, "max");
  const peak = said ? largest(said.values) : 0;
  // Of several images one that has much less than another shows it no more.
  const least = Math.max(CLEAR * held.whole, STRONG * strengthOf({ views }, tokens));
  if (!said || !peak || peak < least || pointing(said)?.everywhere) return [];
  return strongCells({ rows, cols, values: resize(said, rows, cols) });
}

function strongCells({ values }: Heatmap): number[] {
  const high = largest(values);
  return high ? [...values.keys()].filter((cell) => values[cell]! >= STRONG * high) : [];
}
