// In the place of the scales, which were not logged of a word that was not said.
import { html } from "lit";
import type { Explanation } from "../data/explanation";
import { besideText } from "../words/beside";
import { probabilityText } from "./text";

export function besideNote(explanation: Explanation, beside: number, back: () => void) {
  const entry = explanation.alternatives[beside]!;
  return html`<div class="beside" role="status">
    <strong>${besideText(explanation, entry)}</strong>
    <span>p ${probabilityText(entry.candidate.probability)} there. Only its map over all scales was logged.</span>
    <button @click=${back}>Back to the answer</button>
  </div>`;
}
