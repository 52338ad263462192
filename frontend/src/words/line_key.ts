// What the lines below the strip's words are on, and say: what the words asked about lose without each, or
// what each does to what was said over a word that was not.
import { html } from "lit";
import type { Explanation } from "../data/explanation";
import { selectedTokens } from "../view/selection";
import { natsText, tokenText } from "../view/text";
import { type Influence, NOTABLE, fallsText, influencesOn, influencesOver, nameOf } from "./influence";
import { alternativeAt, choiceText, reasonTexts } from "./reasons";
import { type Unit, unitsText } from "./units";

/** Of the words that another needs, how many are named. */
const NAMED = 3;

export interface Underlined {
  /** Of the answer: those pointed at, else those selected. */
  tokens: number[];
  /** On those; empty where it was not measured. */
  influences: Influence[];
  /** The word beside the answer that they are on instead: what was said over it. */
  over: number | null;
}

/** @param pointed A context token; null for none. @param beside The key of an alternative, or nothing. */
export function underlined(explanation: Explanation, pointed: number | null, selected: number[], unit: Unit, beside: string): Underlined {
  const token = (pointed ?? -1) - explanation.promptLength;
  if (token >= 0) {
    const tokens = selectedTokens({ token, more: 0, unit }, explanation);
    return { tokens, influences: influencesOn(explanation, tokens), over: null };
  }
  const over = alternativeAt(explanation, beside);
  const reasons = influencesOver(explanation, over);
  if (reasons.length) return { tokens: selected, influences: reasons, over };
  return { tokens: selected, influences: influencesOn(explanation, selected), over: null };
}

/** @param selected Of the words selected, where no influence was measured. */
export function lineKey(explanation: Explanation, unit: Unit, { tokens, influences, over }: Underlined, selected: string) {
  if (!influences.length) return html`<span tabindex="0" data-term="relevance">predicts like “<bdi>${selected}</bdi>”</span>`;
  if (over !== null) {
    return html`<span class="without number" tabindex="0" data-term="reasons">
      <span>for <bdi>${choiceText(explanation, over)}</bdi>:</span>
      <span>${reasonTexts(explanation, over).slice(0, 2).join(", ")}</span>
    </span>`;
  }
  const needed = influences.filter(({ nats }) => nats >= NOTABLE).sort((one, other) => other.nats - one.nats);
  return html`<span class="without number" tabindex="0" data-term="influence">
    <span>“<bdi>${unitsText(explanation, tokens, unit)}</bdi>” ${needed.length ? "is less likely without" : "needs no single word"}</span>
    ${needed.slice(0, NAMED).map((one) => html`<span>“<bdi>${nameOf(one)}</bdi>”: ${fallsText(explanation, tokens, one)}</span>`)}
  </span>`;
}

/** "; without it square: 0.92 → 0.11" */
export function withoutText(explanation: Explanation, unit: Unit, { tokens, over }: Underlined, influence: Influence): string {
  if (over !== null) return `; ${natsText(influence.nats)} nats for ${choiceText(explanation, over)}`;
  const taken = influence.word.count > 1 && nameOf(influence) !== tokenText(influence.word.text) ? "its sentence" : "it";
  return `; without ${taken} “${unitsText(explanation, tokens, unit)}”: ${fallsText(explanation, tokens, influence)}`;
}
