// "Why not …?": what was logged of a word that was not said here.
import { type Explanation, answerLength, answerToken } from "../data/explanation";
import { tokenText } from "../view/text";

export interface WhyNot {
  /** Among the predictions kept for the token, from 1; null where it is not one of them. */
  rank: number | null;
  probability: number | null;
  /** Another answer token that is this word: its maps at each scale are the word's own, since a
   * logit lens asks every cell for a vocabulary entry, wherever it was said. */
  mappedBy: number | null;
  /** Among the alternatives, the word in this very place. */
  alternative: number | null;
}

/** Of a typed word, at an answer token. */
export function whyNot(explanation: Explanation, token: number, typed: string): WhyNot {
  const wanted = typed.trim();
  // Another case is another vocabulary entry, with a map of its own.
  const same = (text: string) => tokenText(text) === wanted;
  const context = explanation.promptLength + token;
  const candidates = explanation.candidates[context] ?? [];
  const place = candidates.findIndex(({ text }) => same(text));
  const alternative = explanation.alternatives.findIndex((entry) => entry.context === context && same(entry.candidate.text));
  const others = Array.from({ length: answerLength(explanation) }, (_, i) => i);
  const mappedBy = others.find((i) => i !== token && same(answerToken(explanation, i)!.text));
  return {
    rank: place < 0 ? null : place + 1,
    probability: candidates[place]?.probability ?? explanation.alternatives[alternative]?.candidate.probability ?? null,
    mappedBy: mappedBy ?? null,
    alternative: alternative < 0 ? null : alternative,
  };
}
