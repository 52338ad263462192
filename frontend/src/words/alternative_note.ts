// What is said in the place of the scales, which were not logged of a word beside the answer.
import { html } from "lit";
import type { Alternative, Explanation } from "../data/explanation";
import { probabilityText, tokenText } from "../view/text";

export function alternativeNote(explanation: Explanation, entry: Alternative, back: () => void) {
  return html`<div class="alternative" role="status">
    <strong>${alternativeText(explanation, entry)}</strong>
    <span>p ${probabilityText(entry.candidate.probability)} there. Only its map over all scales was logged.</span>
    <button @click=${back}>Back to the answer</button>
  </div>`;
}

/** Whose map it is. */
export function alternativeText({ context }: Explanation, { context: place, candidate }: Alternative): string {
  const token = context[place];
  const word = `“${tokenText(candidate.text)}”`;
  return token?.id === candidate.id ? `asked: ${word}` : `not said: ${word} in place of “${tokenText(token?.text ?? "")}”`;
}
