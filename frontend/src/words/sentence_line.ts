// The selected word in one sentence, and what changed since the step before, or in B.
import { css, html, nothing } from "lit";
import type { Explanation } from "../data/explanation";
import type { ViewState } from "../view/state";
import { shortened, stepText } from "../view/text";
import { type Said, changeText, clausesOf } from "./sentence";
import { unitsText } from "./units";
import { PanelElement, controls, unattributed } from "../view/base";

export class SentenceLine extends PanelElement {
  static override properties = { said: unattributed, earlier: unattributed, other: unattributed, view: unattributed, whole: { state: true } };
  declare said: Said;
  /** The same words at the step before; null where there is none. */
  declare earlier: Said | null;
  /** B's, while something is compared. */
  declare other: Said | null;
  declare view: ViewState;
  /** The whole sample's figures, loaded once there is a B. */
  whole: typeof import("./whole_line") | null = null;

  static override styles = [
    controls,
    css`
      :host {
        display: block;
      }
      p {
        /* Two lines or three: what is below keeps its place from word to word. */
        min-height: 3em;
        margin: 0;
        line-height: 1.5;
        text-wrap: pretty;
      }
      @media (max-width: 700px) {
        p {
          min-height: 4.5em;
        }
      }
      .clause {
        white-space: normal;
      }
      p.whole {
        min-height: 0;
      }
      .better {
        color: var(--better);
      }
      .worse {
        color: var(--warning);
      }
      .change {
        color: var(--muted);
      }
      .b {
        color: var(--side-b);
        font-weight: 600;
      }
    `,
  ];

  override willUpdate(): void {
    if (this.other && !this.whole) void import("./whole_line").then((part) => (this.whole = part), () => undefined);
  }

  override render() {
    const { said, view } = this;
    const clauses = clausesOf(said, view);
    return html`<p class="number" role="status">
      <strong>“<bdi>${unitsText(said.explanation, said.tokens, view.unit)}</bdi>”</strong>${clauses.length ? ": " : "."}
      ${clauses.map(
        ({ text, term }, i) => html`<span class="clause" tabindex="0" data-term=${term}>${text}</span>${i < clauses.length - 1 ? "; " : ". "}`,
      )}
      ${this.change()}
    </p>
    ${this.other && this.whole ? this.whole.wholeLine(this.other.explanation, said.explanation, view) : nothing}`;
  }

  private change() {
    const { said, earlier, other, view } = this;
    if (other) {
      const { step, run } = other.explanation;
      const name = run === said.explanation.run ? "" : `${shortened(run, said.explanation.run)}, `;
      return html`<span class="change"><span class="b">B</span> (<span title=${run}>${name}</span>step ${stepText(step)}${nearestText(other.explanation, said.explanation, view)}): ${changeText(said, other, view)}.</span>`;
    }
    if (!earlier) return nothing;
    return html`<span class="change">Since step ${stepText(earlier.explanation.step)}: ${changeText(earlier, said, view)}.</span>`;
  }
}
customElements.define("mmx-sentence", SentenceLine);

/** Where B has no step like the one asked for: another run has A's only by chance. */
function nearestText(b: Explanation, a: Explanation, { otherStep }: ViewState): string {
  const wanted = otherStep ?? (b.run === a.run ? b.step : a.step);
  return b.step === wanted ? "" : `, its nearest to ${stepText(wanted)}`;
}
