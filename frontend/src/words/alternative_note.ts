// What is said in the place of the scales, which were not logged of a word beside the answer.
import { html } from "lit";
import type { Alternative, Explanation } from "../data/explanation";
import { probabilityText } from "../view/text";
import { alternativeText } from "./alternative";

export function alternativeNote(explanation: Explanation, entry: Alternative, back: () => void) {
  return html`<div class="alternative" role="status">
    <strong>${alternativeText(explanation, entry)}</strong>
    <span>p ${probabilityText(entry.candidate.probability)} there. Only its map over all scales was logged.</span>
    <button @click=${back}>Back to the answer</button>
  </div>`;
}
