// Which tokens one row or column of the matrix stands for: a single one, a word's, or all that one
// side of the conversation said.
import type { Explanation } from "../data/explanation";
import { type Group, UNITS, contextUnits } from "../words/units";

export const GROUPINGS = [...UNITS, "turns"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Groups of the context tokens that are shown, in order, none across the end of the prompt. */
export function groupTokens(explanation: Explanation, shown: number[], grouping: Grouping): Group[] {
  const { context, promptLength, turns } = explanation;
  if (grouping !== "turns") {
    const seen = new Set(shown);
    return contextUnits(explanation, grouping).filter(({ first }) => seen.has(first));
  }
  const groups: Group[] = [];
  for (const j of shown) {
    const last = groups.at(-1);
    const turn = j >= promptLength ? "answer" : turns.length > 2 ? `${turns[context[j]!.turn] ?? "turn"} ${context[j]!.turn + 1}` : "prompt";
    if (last?.name === turn) last.end = j + 1;
    else groups.push({ first: j, end: j + 1, name: turn });
  }
  return groups;
}
