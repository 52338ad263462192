// Figures of several tokens as one: of a word, or of a span.
import type { Agreement, Explanation } from "../data/explanation";

/** Of saying all of them, one after the other; null where one is unknown. */
export function probabilityOf({ probability }: Agreement, tokens: readonly number[]): number | null {
  return tokens.reduce<number | null>((all, token) => {
    const one = probability[token] ?? null;
    return all === null || one === null ? null : all * one;
  }, 1);
}

/** The first token that would have been another one. */
export function firstOther({ rank }: Agreement, tokens: readonly number[]): number | undefined {
  return tokens.find((token) => rank[token]);
}

/** The mean of those that are known. */
export function groundingOf({ grounding }: Explanation, tokens: readonly number[]): number | null {
  const found = tokens.flatMap((token) => grounding[token] ?? []);
  return found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : null;
}
