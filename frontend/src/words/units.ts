// What is read and selected as one: a word, whose tokens may be many, or a single token.
import { type Explanation, type Token, answerLength } from "../data/explanation";
import { startsWord, tokenText } from "../view/text";

export const UNITS = ["words", "tokens"] as const;
export type Unit = (typeof UNITS)[number];

/** The tokens first, first + 1, .., end - 1. */
export interface Group {
  first: number;
  end: number;
  /** What they are called, where it is not their texts in a row. */
  name?: string;
}

/** Scripts that write no spaces: a tokenizer that drops spaces leaves their words whole. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;
/** What earlier versions logged of a token that is part of a character. */
const BYTES = /^\s?(?:<0x[0-9A-F]{2}>|\uFFFD)+$/;
const known = new WeakMap<Token[], Record<Unit, { context: Group[]; answer: Group[] }>>();

/** All context tokens, in words or one by one; made once. */
export function contextUnits(explanation: Explanation, unit: Unit): Group[] {
  return unitsOf(explanation, unit).context;
}

/** The same of the answer, by answer tokens. */
export function answerUnits(explanation: Explanation, unit: Unit): Group[] {
  return unitsOf(explanation, unit).answer;
}

function unitsOf(explanation: Explanation, unit: Unit) {
  const { context, promptLength, words } = explanation;
  let found = known.get(context);
  if (!found) {
    const logged = words?.map(({ first, text }, g) => ({ first, end: words[g + 1]?.first ?? context.length, name: text }));
    const both = { words: logged ?? guessed(explanation), tokens: context.map((_, j) => ({ first: j, end: j + 1 })) };
    const parted = (groups: Group[]) => ({
      context: groups,
      answer: groups.flatMap(({ first, end, ...rest }) =>
        first < promptLength ? [] : { first: first - promptLength, end: end - promptLength, ...rest },
      ),
    });
    known.set(context, (found = { words: parted(both.words), tokens: parted(both.tokens) }));
  }
  return found[unit];
}

/** Words of a log that does not say which they are: by Unicode's boundaries. */
function guessed({ context, promptLength }: Explanation): Group[] {
  const spaced = context.some((token) => startsWord(token.text));
  const isUnspaced = (token: Token | undefined) => !!token && UNSPACED.test(token.text);
  let text = "";
  const starts = context.map((token, j) => {
    if (!spaced && !(isUnspaced(token) && isUnspaced(context[j - 1]))) text += "\n";
    text += token.text.replace(/^[▁Ġ]/, " ");
    return text.length - token.text.length;
  });
  const breaks = new Set(Array.from(new Intl.Segmenter(undefined, { granularity: "word" }).segment(text), ({ index }) => index));
  const groups: Group[] = [];
  context.forEach((token, j) => {
    const before = context[j - 1];
    const apart = !before || j === promptLength || token.turn !== before.turn || token.special || before.special;
    const bytes = before && BYTES.test(before.text) && BYTES.test(token.text) && !startsWord(token.text);
    if (apart || (breaks.has(starts[j]!) && !bytes)) groups.push({ first: j, end: j + 1 });
    else groups.at(-1)!.end = j + 1;
  });
  return groups.map((group) => {
    const texts = context.slice(group.first, group.end).map((token) => token.text);
    return texts.length > 1 && texts.every((part) => BYTES.test(part)) ? { ...group, name: spelled(texts.join("")) } : group;
  });
}

/** Bytes as the characters that they are. */
function spelled(bytes: string): string {
  const codes = [...bytes.matchAll(/<0x(..)>/g)].map((match) => parseInt(match[1]!, 16));
  return codes.length ? new TextDecoder().decode(Uint8Array.from(codes)) : "\uFFFD";
}

/** Where the group that holds a token stands in the list; -1 where none does. */
export function groupIndex(groups: readonly Group[], token: number | null): number {
  return token === null ? -1 : groups.findIndex(({ first, end }) => first <= token && token < end);
}

/** The text of a group of context tokens. */
export function groupText(explanation: Explanation, { first, end, name }: Group): string {
  return tokenText(name ?? explanation.context.slice(first, end).map((token) => token.text).join(""));
}

/** The text of a group of answer tokens. */
export function rowText(explanation: Explanation, { first, end, ...rest }: Group): string {
  const { promptLength, instead } = explanation;
  const text = groupText(explanation, { first: promptLength + first, end: promptLength + end, ...rest });
  return instead && first <= instead.token && instead.token < end ? `${text} − ${instead.text}` : text;
}

/** The answer's units that hold any of the tokens, in their order. */
export function unitsText(explanation: Explanation, tokens: readonly number[], unit: Unit): string {
  const holding = answerUnits(explanation, unit).filter(({ first, end }) => tokens.some((token) => first <= token && token < end));
  return holding.map((group) => rowText(explanation, group)).join(" ");
}

/** All of the answer's tokens in one unit, for reading figures of it. */
export function tokensOf({ first, end }: Group): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** Where the unit of an answer token stands; the nearest where the token is beyond the answer. */
export function unitAt(explanation: Explanation, unit: Unit, token: number): number {
  const within = Math.max(0, Math.min(token, answerLength(explanation) - 1));
  return groupIndex(answerUnits(explanation, unit), within);
}
