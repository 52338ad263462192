// What changed of a word between two answers: what is said, how probable it was, what was the first choice.
import { type Pair, counterpart } from "./alignment";
import { insteadOf, ownAgreement, probabilityOf } from "./figures";
import type { Explanation } from "../data/explanation";
import { answerLength, answerToken } from "../data/explanation";
import { probabilityText, tokenText } from "../view/text";

export interface Compared {
  explanation: Explanation;
  pairs: Pair[];
}

export interface WordChange {
  /** The other answer has something else here, or nothing. */
  text: boolean;
  /** Probability in B and in A; null where unknown. */
  before: number | null;
  now: number | null;
  /** The models' own first choices, where they are not the same. */
  choice: { before: string; now: string } | null;
}

/** Less is not worth a mark. */
const NOTABLE = 0.1;

/** Of A's tokens. */
export function changeOf(a: Explanation, { explanation: b, pairs }: Compared, tokens: readonly number[]): WordChange {
  const theirs = tokens.flatMap((token) => counterpart(pairs, token) ?? []);
  const [mineText, theirText] = [textOf(a, tokens), textOf(b, theirs)];
  const [now, before] = [chanceOf(a, tokens), theirs.length ? chanceOf(b, theirs) : null];
  const [choiceNow, choiceBefore] = [choiceOf(a, tokens), theirs.length ? choiceOf(b, theirs) : ""];
  return {
    text: mineText !== theirText,
    before,
    now,
    choice: theirs.length && choiceNow !== choiceBefore ? { before: choiceBefore, now: choiceNow } : null,
  };
}

export function isNotable(change: WordChange): boolean {
  return change.text || !!change.choice || amountOf(change) >= NOTABLE;
}

/** "1.00 → 0.16, now says “cross”", from B to A. */
export function wordChangeText({ before, now, choice }: WordChange): string {
  const figures = before === null || now === null ? "" : `${probabilityText(before)} → ${probabilityText(now)}`;
  const says = choice ? `now says “${choice.now}”, and not “${choice.before}”` : "";
  return [figures, says].filter(Boolean).join(", ");
}

/** A's token whose word changed most; null where nothing did. */
export function mostChanged(a: Explanation, other: Compared): number | null {
  let [best, most] = [null as number | null, 0];
  for (let token = 0; token < answerLength(a); token++) {
    if (answerToken(a, token)!.special) continue;
    const change = changeOf(a, other, [token]);
    const amount = amountOf(change) + (change.text ? 1 : 0);
    if (amount > most) [best, most] = [token, amount];
  }
  return best;
}

function amountOf({ before, now }: WordChange): number {
  return before === null || now === null ? 0 : Math.abs(now - before);
}

function chanceOf(explanation: Explanation, tokens: readonly number[]): number | null {
  const agreement = ownAgreement(explanation);
  return agreement ? probabilityOf(agreement, tokens) : null;
}

function choiceOf(explanation: Explanation, tokens: readonly number[]): string {
  const instead = insteadOf(explanation, tokens);
  return tokenText(instead ? instead.text : textOf(explanation, tokens));
}

function textOf(explanation: Explanation, tokens: readonly number[]): string {
  return tokens.map((token) => answerToken(explanation, token)!.text).join("");
}
