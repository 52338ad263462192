// Which tokens one row or column of the matrix stands for: a single one, the pieces of a word, or all
// that one side of the conversation said.
import type { Explanation, Token } from "../data/explanation";
import { startsWord, tokenText } from "../view/text";

export const GROUPINGS = ["tokens", "words", "turns"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** The tokens first, first + 1, .., end - 1. */
export interface Group {
  first: number;
  end: number;
  /** Shown in place of its tokens' text. */
  name?: string;
}

const WRITTEN = /[\p{L}\p{N}]/u;
/** Scripts that write no spaces: nothing tells where their words end, so tokens stay alone. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

/** Groups of context tokens, in order, none across the end of the prompt. */
export function groupTokens(explanation: Explanation, shown: number[], grouping: Grouping): Group[] {
  const { context, promptLength, turns } = explanation;
  // A tokenizer that drops spaces says nothing about words.
  const merging = grouping === "words" && context.some((token) => startsWord(token.text));
  const groups: Group[] = [];
  for (const j of shown) {
    const last = groups.at(-1);
    const adjacent = last?.end === j && j !== promptLength;
    const turn = j >= promptLength ? "answer" : turns.length > 2 ? `${turns[context[j]!.turn] ?? "turn"} ${context[j]!.turn + 1}` : "prompt";
    if (grouping === "turns") {
      if (last?.name === turn) last.end = j + 1;
      else groups.push({ first: j, end: j + 1, name: turn });
    } else if (merging && adjacent && continues(context[j - 1]!, context[j]!)) {
      last!.end = j + 1;
    } else groups.push({ first: j, end: j + 1 });
  }
  return groups;
}

/** By words the matrix differs from that of tokens. */
export function someWordHasPieces(explanation: Explanation): boolean {
  const all = [...explanation.context.keys()];
  return groupTokens(explanation, all, "words").length < all.length;
}

/** Punctuation is no part of a word, though no space comes before it. */
function continues(before: Token, token: Token): boolean {
  const inWord = ({ text, special }: Token) => !special && WRITTEN.test(text) && !UNSPACED.test(text);
  return !startsWord(token.text) && inWord(before) && inWord(token);
}

/** Where the group that holds a token stands in the list; -1 where none does. */
export function groupIndex(groups: Group[], token: number | null): number {
  return token === null ? -1 : groups.findIndex(({ first, end }) => first <= token && token < end);
}

/** The text of a group of context tokens. */
export function groupText(explanation: Explanation, { first, end, name }: Group): string {
  if (name) return name;
  const texts = explanation.context.slice(first, end).map((token) => token.text);
  return tokenText(texts.join(""));
}

/** The text of a group of answer tokens. */
export function rowText(explanation: Explanation, { first, end }: Group): string {
  const { promptLength } = explanation;
  return groupText(explanation, { first: promptLength + first, end: promptLength + end });
}
