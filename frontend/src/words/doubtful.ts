// The words that the model would not have said itself, or is unsure of.
import { type Explanation, answerToken } from "../data/explanation";
import { insteadOf, isUnsure } from "./figures";
import { type Group, type Unit, answerUnits, tokensOf } from "./units";

const known = new WeakMap<Explanation, Map<string, Group[]>>();

/** In the answer's order; a template's own tokens only where they are shown. Looked for once. */
export function doubtfulUnits(explanation: Explanation, unit: Unit, template: boolean): Group[] {
  const key = `${unit} ${template}`;
  const found = known.get(explanation) ?? new Map<string, Group[]>();
  known.set(explanation, found);
  const units = found.get(key) ?? doubtful(explanation, unit, template);
  found.set(key, units);
  return units;
}

function doubtful(explanation: Explanation, unit: Unit, template: boolean): Group[] {
  return answerUnits(explanation, unit).filter((group) => {
    const tokens = tokensOf(group);
    return (template || !answerToken(explanation, group.first)!.special) && (isUnsure(explanation, tokens) || insteadOf(explanation, tokens));
  });
}

/** Its first token, after or before those selected; from the last the first follows. Null where there is none. */
export function followingDoubt(doubtful: readonly Group[], tokens: readonly number[], by: 1 | -1): number | null {
  const [first, last] = [tokens[0]!, tokens.at(-1)!];
  const found = by > 0 ? doubtful.find((group) => group.first > last) : doubtful.findLast((group) => group.end <= first);
  return (found ?? doubtful.at(by > 0 ? 0 : -1))?.first ?? null;
}
