// Figures of several tokens as one: of a word, or of a span.
import type { Agreement, Explanation } from "../data/explanation";
import { largest } from "../pixels/heatmap";

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

/** How much of the answer's strongest they have from the image, 0 to 1: their grounding, or by
 * occlusion the strongest value of their maps. */
export function tintOf(explanation: Explanation, tokens: readonly number[]): number {
  if (!explanation.occlusion) return groundingOf(explanation, tokens) ?? 0;
  const maxima = explanation.views.map(({ layers }) => layers[0]!.maxima);
  const strongest = Math.max(...maxima.map(largest));
  return Math.max(...maxima.flatMap((values) => tokens.map((token) => values[token]!))) / strongest || 0;
}
