// How much speaks for a word: what the picture adds to it, or where that was not measured how strong
// its maps are; against the largest of the sample's steps.
import type { Explanation } from "../data/explanation";
import type { Peaks } from "../pixels/range";
import { methodOf } from "../data/method";
import { natsText, valueText } from "../view/text";
import { gainOf } from "./figures";

/** In nats (twenty times as likely): a sample of which no word reaches it keeps pale. */
const LEAST_FULL = 3;
/** In nats: with less a word is as likely without, and with so much it needs it. */
export const HELPS = 0.3;
export const NEEDS = 1;
/** A value below this share of the largest is little. */
const LITTLE = 0.15;

/** The strongest value of their maps. */
export function strengthOf({ views }: Pick<Explanation, "views">, tokens: readonly number[]): number {
  return Math.max(0, ...views.flatMap(({ layers }) => tokens.map((token) => layers.at(-1)!.maxima[token] ?? 0)));
}

/** What the tint shows of them, and the value of the fullest tint: what the picture adds, or where
 * that was not measured the strength of their maps. */
export function evidenceOf(explanation: Explanation, tokens: readonly number[], held: Peaks): { value: number; full: number; measured: boolean } {
  const gain = gainOf(explanation, tokens);
  if (gain !== null) return { value: gain, full: Math.max(LEAST_FULL, held.gain), measured: true };
  return { value: strengthOf(explanation, tokens), full: Math.max(LEAST_FULL, held.whole), measured: false };
}

export function evidenceText(explanation: Explanation, tokens: readonly number[], held: Peaks): string {
  const { value, measured } = evidenceOf(explanation, tokens, held);
  const { unit, tint } = methodOf(explanation);
  return measured ? `the picture adds ${natsText(value)} nats` : `${tint} ${valueText(value)} ${unit}`;
}

/** How full it is, 0 to 1: what speaks against a word has none. */
export function tintOf(explanation: Explanation, tokens: readonly number[], held: Peaks): number {
  const { value, full } = evidenceOf(explanation, tokens, held);
  return Math.max(0, Math.min(1, value / full));
}

/** Whether their maps have so little that no share of it means anything. */
export function isLittle(explanation: Explanation, tokens: readonly number[], held: Peaks): boolean {
  return strengthOf(explanation, tokens) < LITTLE * Math.max(LEAST_FULL, held.whole);
}
