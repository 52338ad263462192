// Why this word and not another: what the picture, and each word of the context, do to the difference of
// their log-probabilities. Of a word of the prompt itself: what they do to it.
import { type Explanation, answerLength } from "../data/explanation";
import { natsText, tokenText } from "../view/text";
import { alternativeKey } from "./alternative";
import { NOTABLE, influencesOver, nameOf } from "./influence";
import { type Unit, answerUnits, unitAt } from "./units";

/** Of the words of the context, how many are named. */
const NAMED = 3;

/** "“square” rather than “cross”"; of what was asked about in the prompt "“red”". */
export function choiceText({ context, alternatives }: Explanation, index: number): string {
  const { context: place, candidate } = alternatives[index]!;
  const [said, other] = [tokenText(context[place]?.text ?? ""), tokenText(candidate.text)];
  return context[place]?.id === candidate.id ? `“${said}”` : `“${said}” rather than “${other}”`;
}

/** "the picture +3.1 nats, “blue” +0.8": the strongest first, for or against; empty where nothing was measured. */
export function reasonTexts(explanation: Explanation, index: number): string[] {
  const gain = explanation.alternatives[index]!.imageGain ?? null;
  const words = influencesOver(explanation, index)
    .filter(({ nats }) => Math.abs(nats) >= NOTABLE)
    .sort((one, other) => Math.abs(other.nats) - Math.abs(one.nats))
    .slice(0, NAMED)
    .map((one) => [`“${nameOf(one)}”`, one.nats] as const);
  const all = [...(gain === null ? [] : [["the picture", gain] as const]), ...words];
  return all.map(([name, nats], i) => `${name} ${natsText(nats)}${i ? "" : " nats"}`);
}

/** Which of the alternatives a key means; -1 for none. */
export function alternativeAt({ alternatives }: Explanation, key: string): number {
  return key ? alternatives.findIndex((entry) => alternativeKey(entry) === key) : -1;
}

const known = new WeakMap<Explanation, Map<string, Explanation>>();

/** The explanation with the influence on the difference in the row of what was said; the same object each time. */
export function withReasons(explanation: Explanation, index: number, unit: Unit): Explanation {
  const { contextWords = [], influence, alternativesInfluence, alternatives, promptLength } = explanation;
  const { context, candidate } = alternatives[index]!;
  const token = context - promptLength;
  if (!influence || !alternativesInfluence || token < 0 || token >= answerLength(explanation)) return explanation;
  const made = known.get(explanation) ?? new Map<string, Explanation>();
  known.set(explanation, made);
  const key = `${index} ${unit}`;
  if (!made.has(key)) {
    const [rows, size] = [influence.slice(), contextWords.length];
    const { first, end } = answerUnits(explanation, unit)[unitAt(explanation, unit, token)]!;
    // What follows in the same word is no part of the choice.
    for (let t = first; t < end; t++) if (t !== token) rows.fill(0, t * size, (t + 1) * size);
    rows.set(alternativesInfluence.subarray(index * size, (index + 1) * size), token * size);
    made.set(key, { ...explanation, influence: rows, instead: { token, text: tokenText(candidate.text) } });
  }
  return made.get(key)!;
}
