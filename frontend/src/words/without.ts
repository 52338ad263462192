// Words without which another would be less likely: measured by taking each away.
import { ownAgreement, probabilityOf } from "./figures";
import type { Group } from "./units";
import type { Explanation } from "../data/explanation";
import { readerOf, wordPlaces } from "../matrix/matrix_values";
import { probabilityText } from "../view/text";

/** Nats; what loses less is not underlined. */
const NOTABLE = 0.1;

/** Nats that a word's tokens lose together without the word of a context token; NaN where not measured. */
export function lossWithout(explanation: Explanation, tokens: readonly number[], column: number): number {
  const read = readerOf(explanation, "influence");
  return tokens.reduce((sum, token) => sum + read(token, column), 0);
}

/** "0.92 → 0.11"; empty where it was not measured. */
export function withoutText(explanation: Explanation, tokens: readonly number[], column: number): string {
  const loss = lossWithout(explanation, tokens, column);
  const agreement = ownAgreement(explanation);
  const chance = agreement && probabilityOf(agreement, tokens);
  if (Number.isNaN(loss) || chance === null) return "";
  return `${probabilityText(chance)} → ${probabilityText(Math.min(1, chance * Math.exp(-loss)))}`;
}

export interface Without {
  /** Its first context token. */
  first: number;
  text: string;
  /** Nats. */
  loss: number;
  figures: string;
}

/** The words without which these tokens would be less likely, the strongest first. */
export function needed(explanation: Explanation, tokens: readonly number[]): Without[] {
  return (explanation.contextWords ?? [])
    .map(({ first, text }) => ({ first, text: text.trim(), loss: lossWithout(explanation, tokens, first), figures: withoutText(explanation, tokens, first) }))
    .filter(({ loss, figures }) => loss >= NOTABLE && figures)
    .sort((one, other) => other.loss - one.loss);
}

/** How full the line under a unit is, 0 to 1, of what its words cost. */
export function lineOf(explanation: Explanation, { first, end }: Group, all: readonly Without[]): number {
  const places = wordPlaces(explanation);
  const here = new Set(places.subarray(first, end));
  const loss = Math.max(0, ...all.filter((one) => here.has(places[one.first]!)).map((one) => one.loss));
  return all.length ? loss / all[0]!.loss : 0;
}
