// B's value for a cell of A's matrix.
import { align } from "../words/alignment";
import type { Group } from "../words/units";
import type { Explanation } from "../data/explanation";
import { strongestValue } from "./matrix_cells";
import { type ShownMode, modesOf } from "./matrix_values";

const twins = new WeakMap<Explanation, { other: Explanation; at: Int32Array }>();

/** Of each of A's context tokens B's own, by the whole context; -1 where B has none. */
export function twinsOf(a: Explanation, b: Explanation): Int32Array {
  const known = twins.get(a);
  if (known?.other === b) return known.at;
  const at = new Int32Array(a.context.length).fill(-1);
  const texts = (explanation: Explanation) => explanation.context.map((token) => token.text);
  for (const pair of align(texts(a), texts(b))) if (pair.a !== null && pair.b !== null) at[pair.a] = pair.b;
  twins.set(a, { other: b, at });
  return at;
}

/** NaN where B has no such tokens, or did not log it. */
export function twinValue(a: Explanation, b: Explanation, mode: ShownMode, rows: Group, columns: Group): number {
  if (!modesOf(b).includes(mode)) return NaN;
  const at = twinsOf(a, b);
  const there = (group: Group, from: number, less: number): Group | null => {
    const found = Array.from({ length: group.end - group.first }, (_, i) => at[from + group.first + i]! - less).filter((i) => i >= 0);
    return found.length ? { first: Math.min(...found), end: Math.max(...found) + 1 } : null;
  };
  const [row, column] = [there(rows, a.promptLength, b.promptLength), there(columns, 0, 0)];
  return row && column ? strongestValue(b, mode, row, column) : NaN;
}
