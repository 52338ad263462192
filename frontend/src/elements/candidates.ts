// What the model would have said at the selected token's place, and how sure it was.
import { css, html, nothing } from "lit";
import { whyNot } from "../core/candidate_search";
import { type Explanation, answerToken } from "../core/explanation";
import { probabilityText, tokenText } from "../core/text";
import { PanelElement, controls } from "./base";

const SHOWN = 5;

export class Candidates extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    selected: { attribute: false },
    beside: { attribute: false },
    typed: { state: true },
  };
  declare explanation: Explanation;
  declare selected: number;
  /** Which alternative is shown on the stage. */
  declare beside: number | null;
  /** The word asked about. */
  declare typed: string;

  constructor() {
    super();
    this.typed = "";
  }

  static override styles = [
    controls,
    css`
      :host {
        display: block;
      }
      header {
        display: flex;
        justify-content: space-between;
        margin-bottom: 8px;
      }
      ol {
        display: grid;
        grid-template-columns: fit-content(40%) 1fr auto;
        gap: 5px 12px;
        align-items: center;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: contents;
      }
      .name {
        overflow: hidden;
        min-width: 84px;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .why {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
        margin: 8px 0 0;
        color: var(--muted);
      }
      .why input {
        width: 12ch;
        height: 24px;
        padding: 0 6px;
        border: 1px solid var(--line);
        border-radius: 6px;
        background: var(--surface);
      }
      .why button {
        height: 24px;
        color: var(--accent);
      }
      .said .name,
      .said .number {
        font-weight: 600;
      }
      .bar {
        height: 6px;
        border-radius: 3px;
        background: linear-gradient(var(--accent), var(--accent)) 0 0 / var(--share) 100% no-repeat var(--hover);
      }
    `,
  ];

  override render() {
    const { candidates, promptLength, grounding } = this.explanation;
    const said = answerToken(this.explanation, this.selected);
    const entries = candidates[promptLength + this.selected]?.slice(0, SHOWN) ?? [];
    return html`
      <header>
        <h2>Predictions for “${tokenText(said?.text ?? "")}”</h2>
        <h2 class="number">grounding ${probabilityText(grounding[this.selected])}</h2>
      </header>
      <ol>
        ${entries.map(
          (entry) => html`
            <li class=${entry.id === said?.id ? "said" : ""}>
              <span class="name">${tokenText(entry.text)}</span>
              <span class="bar" style="--share:${(100 * entry.probability).toFixed(1)}%"></span>
              <span class="number">${probabilityText(entry.probability)}</span>
            </li>
          `,
        )}
      </ol>
      ${entries.length ? "" : html`<p class="muted">No predictions were logged for this token.</p>`}
      ${this.unsaid()}
      <p class="why">
        <label>why not <input .value=${this.typed} placeholder="a word" @input=${(event: Event) => (this.typed = (event.target as HTMLInputElement).value)} /></label>
        ${this.typed.trim() ? this.answered() : nothing}
      </p>
    `;
  }

  /** Words that were not said here and have a map. */
  private unsaid() {
    const { alternatives, promptLength } = this.explanation;
    const here = alternatives.flatMap(({ context, candidate }, i) => (context === promptLength + this.selected ? [{ candidate, i }] : []));
    if (!here.length) return nothing;
    return html`<p class="why">
      Not said, but mapped:
      ${here.map(
        ({ candidate, i }) => html`<button
          class="quiet"
          aria-pressed=${this.beside === i}
          title="Show where the model would have read this word"
          data-beside=${i}
          @click=${() => this.ask("view-change", { beside: this.beside === i ? null : i, compare: "single" })}
        >${tokenText(candidate.text)} ${probabilityText(candidate.probability)}</button>`,
      )}
    </p>`;
  }

  private answered() {
    const { rank, probability, mappedBy } = whyNot(this.explanation, this.selected, this.typed);
    return html`<span role="status">${rank === null ? "not among the predictions kept" : `rank ${rank}, p ${probabilityText(probability)}`} ·</span>
      ${mappedBy === null
        ? html`<span class="muted">no map of it was logged</span>`
        : html`<button class="quiet" @click=${() => this.ask("token-select", mappedBy)}>its map: token ${mappedBy + 1}</button>`}`;
  }
}
customElements.define("mmx-candidates", Candidates);
