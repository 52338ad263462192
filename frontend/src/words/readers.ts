// Image to words: the tokens that read most from the region drawn on the image.
import { css, html } from "lit";
import { type Explanation, shownLayers } from "../data/explanation";
import { readersOf } from "../pixels/region";
import type { ViewState } from "../view/state";
import { layerIndex } from "../view/selection";
import { probabilityText, valueText } from "../view/text";
import { rowText } from "./units";
import { PanelElement, controls, unattributed } from "../view/base";

const SHOWN = 5;

export class Readers extends PanelElement {
  static override properties = { explanation: unattributed, view: unattributed };
  declare explanation: Explanation;
  declare view: ViewState;

  static override styles = [
    controls,
    css`
      :host {
        display: block;
      }
      header {
        display: flex;
        justify-content: space-between;
        align-items: center;
        margin-bottom: 6px;
      }
      header button {
        height: 22px;
      }
      ol {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li button {
        display: grid;
        grid-template-columns: minmax(84px, 30%) 1fr auto;
        gap: 12px;
        align-items: center;
        width: 100%;
        height: 24px;
        padding: 0 4px;
        border: 0;
        background: none;
        text-align: left;
      }
      li button:hover,
      li button[aria-pressed="true"] {
        background: var(--accent-soft);
      }
      .name {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .bar {
        height: 6px;
        border-radius: 3px;
        background: linear-gradient(rgb(var(--grounding)), rgb(var(--grounding))) 0 0 / var(--share) 100% no-repeat var(--hover);
      }
    `,
  ];

  override render() {
    const { explanation, view } = this;
    const layer = shownLayers(explanation)[layerIndex(view, explanation)]!;
    const readers = readersOf(explanation, layer, view.region!, view).slice(0, SHOWN);
    const most = readers[0]?.mean ?? 0;
    return html`
      <header>
        <h2>Who reads from here</h2>
        <button class="quiet" title="No region (Esc)" @click=${() => this.ask("view-change", { region: null })}>clear</button>
      </header>
      <ol>
        ${readers.map(
          ({ unit, mean, share }) => html`<li>
            <button
              aria-pressed=${unit.first === view.token}
              title="${probabilityText(share)} of all it reads from the image lies here"
              @click=${() => this.ask("token-select", unit.first)}
            >
              <span class="name">${rowText(explanation, unit)} <small class="muted">#${unit.first + 1}</small></span>
              <span class="bar" style="--share:${most ? ((100 * mean) / most).toFixed(1) : 0}%"></span>
              <span class="number">${valueText(mean)} <small class="muted">${Math.round(100 * share)} %</small></span>
            </button>
          </li>`,
        )}
      </ol>
      ${readers.length ? "" : html`<p class="muted">No map at this scale.</p>`}
    `;
  }
}
customElements.define("mmx-readers", Readers);
