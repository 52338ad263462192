// Through the thought: what an answer's word rests on directly, and by way of the sentences of its
// thought. As Python's `mmx_core.metrics.thought`, where the formulas stand.
import { type ContextWord, type Explanation, answerLength } from "../data/explanation";
import { type Pieces, sentencesOf, thoughtOf } from "./thoughts";
import { type Group, answerUnits, rowText } from "./units";

/** A word of the context that something rests on, in nats; the picture has none. */
export interface Support {
  word: ContextWord | null;
  nats: number;
  /** Of all that speaks for the answer's word, 0 to 1. */
  share: number;
}

export interface Sentence extends Group {
  text: string;
  /** Its place in the thought, from 1 on. */
  at: number;
  /** Nats on the answer's word without it as a whole (in older logs the sum over its words); below 0 it speaks against it. */
  nats: number;
  share: number;
  /** What it rests on itself, the strongest first, shares of its own share. */
  supports: Support[];
}

export interface Chain {
  /** The strongest first. */
  direct: Support[];
  sentences: Sentence[];
}

/** The answer's thought in tokens, and its end; null where it has none, or nothing was measured. */
export function thoughtIn(explanation: Explanation): Group | null {
  return explanation.influence ? (thoughtUnits(explanation)?.tokens ?? null) : null;
}

/** The answer token of the first word behind the thought and its marker. */
export function firstBehind(explanation: Explanation): number {
  const end = thoughtIn(explanation)?.end ?? 0;
  const units = answerUnits(explanation, "words").filter(({ first }) => first >= end);
  const isWord = (text: string) => /[\p{L}\p{N}]/u.test(text) && !/think|channel|\|/i.test(text);
  return (units.find((unit) => isWord(rowText(explanation, unit))) ?? units.at(-1))?.first ?? 0;
}

/** The chain of some tokens behind the thought; null where they are not behind one. */
export function chainOf(explanation: Explanation, tokens: readonly number[]): Chain | null {
  const thought = thoughtUnits(explanation);
  const { contextWords = [], influence, promptLength } = explanation;
  if (!thought || !influence || !tokens.length || tokens.some((token) => token < thought.tokens.end)) return null;
  const own = contextWords.map(({ first }) => first - promptLength);
  const within = ({ first, end }: Group) => own.map((token) => first <= token && token < end);
  const inside = within(thought.tokens);
  const direct = summed(explanation, tokens);
  const seen = gainOf(explanation, tokens);
  const parts = thought.sentences.map((sentence) => {
    const held = within(sentence);
    return {
      sentence,
      nats: total(direct.filter((_, w) => held[w])),
      weight: total(direct.filter((_, w) => held[w]).map(speaking)),
      below: summed(explanation, tokensIn(sentence)),
      picture: gainOf(explanation, tokensIn(sentence)),
    };
  });
  const outside = (values: number[]) => values.map((nats, w) => (inside[w] ? 0 : speaking(nats)));
  const whole = total(outside(direct)) + total(parts.map(({ weight }) => weight)) + speaking(seen) || 1;
  const supports = (values: number[], picture: number, share: (nats: number) => number): Support[] =>
    [
      ...values.flatMap((nats, w) => (inside[w] || Number.isNaN(nats) ? [] : [{ word: contextWords[w]!, nats, share: share(nats) }])),
      ...(Number.isNaN(picture) ? [] : [{ word: null, nats: picture, share: share(picture) }]),
    ].sort((a, b) => b.nats - a.nats);
  return {
    direct: supports(direct, seen, (nats) => speaking(nats) / whole),
    sentences: parts.map(({ sentence, nats, weight, below, picture }, i) => {
      const rest = total(outside(below)) + speaking(picture) || 1;
      return {
        ...sentence,
        at: i + 1,
        nats,
        share: weight / whole,
        supports: supports(below, picture, (part) => ((weight / whole) * speaking(part)) / rest),
      };
    }),
  };
}

interface Thought {
  tokens: Group;
  sentences: (Group & { text: string })[];
}
const known = new WeakMap<Explanation["context"], Thought | null>();

function thoughtUnits(explanation: Explanation): Thought | null {
  const { context } = explanation;
  if (!known.has(context)) known.set(context, readThought(explanation));
  return known.get(context)!;
}

function readThought(explanation: Explanation): Thought | null {
  const units = answerUnits(explanation, "words");
  const texts = units.map(({ first, end, name }) =>
    name ?? explanation.context.slice(explanation.promptLength + first, explanation.promptLength + end).map(({ text }) => text).join(""),
  );
  const found = thoughtOf(texts);
  if (!found) return null;
  const beginOf = (unit: number) => units[unit]?.first ?? answerLength(explanation);
  const tokensOf = ({ first, end }: Pieces) => ({ first: beginOf(first), end: beginOf(end) });
  return {
    tokens: tokensOf(found),
    sentences: sentencesOf(texts.slice(found.first, found.end)).map(({ first, end }) => {
      const units = { first: found.first + first, end: found.first + end };
      return { ...tokensOf(units), text: texts.slice(units.first, units.end).join("").trim() };
    }),
  };
}

function tokensIn({ first, end }: Group): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** (W,) nats of several tokens together; NaN for a word that is none of them's context. */
function summed({ influence, contextWords = [] }: Explanation, tokens: readonly number[]): number[] {
  return contextWords.map((_, w) => {
    const values = tokens.map((token) => influence![token * contextWords.length + w]!).filter((nats) => !Number.isNaN(nats));
    return values.length ? total(values) : NaN;
  });
}

/** NaN where it was not measured. */
function gainOf({ imageGain }: Explanation, tokens: readonly number[]): number {
  return imageGain ? total(tokens.map((token) => imageGain[token] ?? 0)) : NaN;
}

/** What speaks for something; against it, or not measured, is nothing. */
function speaking(nats: number): number {
  return nats > 0 ? nats : 0;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : value), 0);
}
