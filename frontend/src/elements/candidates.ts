// What the model would have said at the selected token's place, and how sure it was.
import { css, html } from "lit";
import { type Explanation, answerToken } from "../core/explanation";
import { probabilityText, tokenText } from "../core/text";
import { PanelElement, controls } from "./base";

const SHOWN = 5;

export class Candidates extends PanelElement {
  static override properties = { explanation: { attribute: false }, selected: { attribute: false } };
  declare explanation: Explanation;
  declare selected: number;

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
    `;
  }
}
customElements.define("mmx-candidates", Candidates);
