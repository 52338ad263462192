// Figures of several tokens as one: of a word, or of a span.
import { type Agreement, type Candidate, type Explanation } from "../data/explanation";

type Values = readonly (number | null)[];

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

/** At the model's own resolution. */
export function ownAgreement({ layers }: Pick<Explanation, "layers">): Agreement | null {
  return layers.find(({ factor }) => (factor ?? 1) === 1)?.agreement ?? null;
}

/** What the model would have said in place of the first of them that it would not; null where it
 * would have said them all. */
export function insteadOf(explanation: Explanation, tokens: readonly number[]): Candidate | null {
  const agreement = ownAgreement(explanation);
  const token = agreement && firstOther(agreement, tokens);
  return agreement?.top[token ?? -1] ?? null;
}

/** Below it a model that says a word is unsure of it. Nothing tells its own mistakes better (docs/evaluation.md). */
export const LIKELY = 0.5;

export function isUnsure(explanation: Explanation, tokens: readonly number[]): boolean {
  const agreement = ownAgreement(explanation);
  return agreement !== null && (probabilityOf(agreement, tokens) ?? 1) < LIKELY;
}

/** How many scales would have said the same, of how many. */
export function agreeing(explanation: Explanation, tokens: readonly number[]): [number, number] {
  const scales = explanation.layers.flatMap(({ agreement }) => agreement ?? []);
  return [scales.filter((scale) => firstOther(scale, tokens) === undefined).length, scales.length];
}

/** The mean of those that are known. */
export function groundingOf({ grounding }: Explanation, tokens: readonly number[]): number | null {
  const found = tokens.flatMap((token) => grounding[token] ?? []);
  return found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : null;
}

/** Nats that the picture adds to all of them together; null where one was not measured. */
export function gainOf({ imageGain }: Explanation, tokens: readonly number[]): number | null {
  return sumOf(imageGain ?? [], tokens);
}

/** The same of each picture alone; empty where there is one. */
export function gainsOf({ imageGains = [] }: Explanation, tokens: readonly number[]): (number | null)[] {
  return imageGains.map((gains) => sumOf(gains, tokens));
}

function sumOf(values: Values, tokens: readonly number[]): number | null {
  return tokens.reduce<number | null>((sum, token) => {
    const one = values[token] ?? null;
    return sum === null || one === null ? null : sum + one;
  }, 0);
}
