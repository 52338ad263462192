// Which of A and B reads the whole sample better.
import { html } from "lit";
import type { Explanation } from "../data/explanation";
import type { ViewState } from "../view/state";
import { wholeOf } from "./whole";

export function wholeLine(b: Explanation, a: Explanation, view: ViewState) {
  const figures = wholeOf(b, a, view);
  return html`<p class="whole number">
    Whole sample, <span class="b">B</span> → A:
    ${figures.map(
      ({ name, term, b: before, a: after, better }, i) => html`<span class="clause"><span tabindex="0" data-term=${term}>${name}</span> ${before} → <b class=${better}>${after}</b></span>${i < figures.length - 1 ? "; " : "."}`,
    )}
  </p>`;
}
