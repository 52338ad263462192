// What the words of the context do to those selected, measured by taking each of them away.
import type { ContextWord, Explanation } from "../data/explanation";
import { natsText, probabilityText, tokenText } from "../view/text";
import { ownAgreement, probabilityOf } from "./figures";
import type { Group } from "./units";

export interface Influence {
  word: ContextWord;
  /** By how much the selected words' log-probability falls without it; below 0 it speaks against them. */
  nats: number;
}

/** Nats; what changes less is not named. */
export const NOTABLE = 0.1;
/** In letters. */
const LONGEST_NAME = 40;
/** Of less likely words the probabilities look alike. */
const LEAST_SHOWN = 0.01;
/** In nats: the darkest line is at least this much, so that next to nothing stays pale. */
const LEAST_FULL = 1;

/** Of each word of which it was measured for all of the tokens, in the order of the context. */
export function influencesOn({ contextWords = [], influence }: Explanation, tokens: readonly number[]): Influence[] {
  if (!influence) return [];
  return contextWords.flatMap((word, w) => {
    const nats = tokens.reduce((sum, token) => sum + influence[token * contextWords.length + w]!, 0);
    return Number.isNaN(nats) ? [] : { word, nats };
  });
}

/** On the difference of what was said and an alternative, as far as measured. */
export function influencesOver({ contextWords = [], alternativesInfluence }: Explanation, alternative: number): Influence[] {
  if (!alternativesInfluence || alternative < 0) return [];
  return contextWords.flatMap((word, w) => {
    const nats = alternativesInfluence[alternative * contextWords.length + w]!;
    return Number.isNaN(nats) ? [] : { word, nats };
  });
}

/** The one without which they would change most; null where none was measured. */
export function strongest(influences: readonly Influence[]): Influence | null {
  return influences.reduce<Influence | null>((best, one) => (best && Math.abs(best.nats) >= Math.abs(one.nats) ? best : one), null);
}

/** The strongest in a group of context tokens. */
export function influenceIn(influences: readonly Influence[], { first, end }: Group): Influence | null {
  return strongest(influences.filter(({ word }) => word.first < end && word.first + word.count > first));
}

/** How dark the line below a word is: what they would lose without it, of the most that they would lose. */
export function lineOf(influence: Influence | null, influences: readonly Influence[]): number {
  if (!influence) return 0;
  return Math.max(0, influence.nats) / Math.max(LEAST_FULL, ...influences.map(({ nats }) => nats));
}

/** A word of the context; of a sentence its beginning. */
export function nameOf({ word }: Influence): string {
  const text = tokenText(word.text);
  return text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME)}…` : text;
}

/** How likely what now has this probability would be. */
export function without(probability: number, { nats }: Influence): number {
  return Math.min(1, probability * Math.exp(-nats));
}

/** "0.92 → 0.11", of the tokens that it is on. */
export function fallsText(explanation: Explanation, tokens: readonly number[], influence: Influence): string {
  const agreement = ownAgreement(explanation);
  const probability = agreement && probabilityOf(agreement, tokens);
  return probability === null || probability < LEAST_SHOWN ? `${natsText(-influence.nats)} nats` : `${probabilityText(probability)} → ${probabilityText(without(probability, influence))}`;
}
