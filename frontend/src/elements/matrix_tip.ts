// A cell of the matrix in full: its three values, and the two lists of predictions whose overlap
// the relevance measures.
import { css, html, nothing } from "lit";
import { type Candidate, type Explanation, matrixValue } from "../core/explanation";
import { probabilityText, tokenText, valueText } from "../core/text";
import { PanelElement, controls } from "./base";

const SHOWN = 6;
const WIDTH = 276;

export class MatrixTip extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    row: { attribute: false },
    column: { attribute: false },
    at: { attribute: false },
  };
  declare explanation: Explanation;
  declare row: number;
  declare column: number;
  /** The cell's lower right corner, in the matrix's pixels. */
  declare at: { x: number; y: number };

  static override styles = [
    controls,
    css`
      :host {
        position: fixed;
        z-index: 15;
        width: ${WIDTH}px;
        padding: 10px 12px;
        border: 1px solid var(--line);
        border-radius: 10px;
        background: var(--surface);
        box-shadow: 0 8px 28px rgb(0 0 0 / 0.2);
        font-size: 12px;
        pointer-events: none;
      }
      .values {
        display: flex;
        gap: 12px;
        margin: 4px 0 8px;
      }
      .lists {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: 12px;
      }
      .list > * {
        display: flex;
        justify-content: space-between;
        gap: 6px;
        padding: 1px 4px;
        border-radius: 4px;
        line-height: 17px;
      }
      .list strong {
        border-bottom: 1px solid var(--line);
        border-radius: 0;
      }
      .list span span:first-child {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .shared {
        background: var(--accent-soft);
        color: var(--accent);
        font-weight: 600;
      }
    `,
  ];

  override render() {
    const { explanation, row, column } = this;
    const token = explanation.promptLength + row;
    const later = column >= token;
    const mine = explanation.candidates[token]?.slice(0, SHOWN) ?? [];
    const theirs = explanation.candidates[column]?.slice(0, SHOWN) ?? [];
    const value = (mode: "relevance" | "activation" | "weight") => valueText(matrixValue(explanation, mode, row, column));
    return html`
      <strong>${this.word(token)}</strong> <span class="muted">←</span> <strong>${this.word(column)}</strong>
      <div class="values number">
        ${later && Number.isNaN(matrixValue(explanation, "relevance", row, column))
          ? html`<span class="muted">not context of this token</span>`
          : html`<span>ρ ${value("relevance")}</span><span>r ${value("activation")}</span><span>w ${value("weight")}</span>`}
      </div>
      <div class="lists">${this.list(token, mine, theirs)}${this.list(column, theirs, mine)}</div>
      ${mine.length || theirs.length ? nothing : html`<span class="muted">No predictions were logged.</span>`}
    `;
  }

  override updated(): void {
    const home = (this.getRootNode() as ShadowRoot).querySelector("canvas")?.getBoundingClientRect();
    if (!home) return;
    const { width, height } = this.getBoundingClientRect();
    const right = home.left + this.at.x + 10;
    const left = right + width < innerWidth ? right : right - width - 40;
    const top = Math.min(home.top + this.at.y + 10, innerHeight - height - 8);
    this.style.left = `${Math.max(8, left)}px`;
    this.style.top = `${Math.max(8, top)}px`;
  }

  private list(token: number, entries: Candidate[], others: Candidate[]) {
    return html`<div class="list number">
      <strong>at ${this.word(token)}</strong>
      ${entries.map(
        ({ id, text, probability }) => html`<span class=${others.some((other) => other.id === id) ? "shared" : ""}
          ><span>${tokenText(text)}</span><span>${probabilityText(probability)}</span></span
        >`,
      )}
    </div>`;
  }

  private word(j: number): string {
    return tokenText(this.explanation.context[j]?.text ?? "");
  }
}
customElements.define("mmx-matrix-tip", MatrixTip);
