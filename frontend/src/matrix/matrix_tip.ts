// A cell of the matrix in full: its values, and the two lists of predictions whose overlap
// “alike” measures. Lines join what stands in both.
import { css, html, nothing, svg } from "lit";
import { type Candidate, type Explanation, isContext } from "../data/explanation";
import { ownAgreement } from "../words/figures";
import { influenceIn, influencesOn, nameOf, without } from "../words/influence";
import { type ShownMode, modesOf, readerOf } from "./matrix_values";
import { twinValue } from "./twin_value";
import { tipPlace } from "./matrix_tip_place";
import type { Rect, Size } from "../pixels/geometry";
import { natsText, probabilityText, tokenText, valueText } from "../view/text";
import { PanelElement, controls, unattributed } from "../view/base";

const SIGNS: Record<ShownMode, string> = { influence: "Δ", estimate: "≈", relevance: "ρ", activation: "r", weight: "w" };
const SHOWN = 6;
const WIDTH = 290;
const ENTRY_HEIGHT = 20;
const GUTTER = 30;

export class MatrixTip extends PanelElement {
  static override properties = {
    explanation: unattributed,
    other: unattributed,
    row: unattributed,
    column: unattributed,
    words: unattributed,
    cell: unattributed,
    room: unattributed,
  };
  declare explanation: Explanation;
  /** B, while something is compared. */
  declare other: Explanation | null;
  declare row: number;
  declare column: number;
  /** What the row and the column are called: more than their token where it is a word's piece. */
  declare words: { row: string; column: string };
  /** In the pixels of the room, in which the tip stays. */
  declare cell: Rect;
  declare room: Size;

  static override styles = [
    controls,
    css`
      :host {
        position: absolute;
        z-index: 15;
        width: ${WIDTH}px;
        max-width: 100%;
        padding: 8px 12px 10px;
        border: 1px solid var(--line);
        border-radius: 10px;
        background: var(--surface);
        box-shadow: 0 8px 28px rgb(0 0 0 / 0.2);
        font-size: 12px;
        pointer-events: none;
      }
      .values {
        display: flex;
        flex-wrap: wrap;
        gap: 0 12px;
        margin: 2px 0 6px;
      }
      .measured {
        flex-basis: 100%;
        font-weight: 600;
      }
      .lists {
        display: grid;
        grid-template-columns: minmax(0, 1fr) ${GUTTER}px minmax(0, 1fr);
      }
      .list > *,
      .title {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .list > * {
        display: flex;
        justify-content: space-between;
        gap: 6px;
        height: ${ENTRY_HEIGHT}px;
        padding: 0 4px;
        line-height: ${ENTRY_HEIGHT}px;
      }
      .list .name {
        overflow: hidden;
        text-overflow: ellipsis;
      }
      .shared {
        border-radius: 4px;
        background: var(--accent-soft);
        font-weight: 600;
      }
      svg {
        display: block;
        margin-top: ${ENTRY_HEIGHT}px;
        overflow: visible;
      }
      line {
        stroke: var(--accent);
        stroke-width: 1.5;
      }
      circle {
        fill: var(--accent);
      }
    `,
  ];

  override render() {
    const { explanation, row, column, words } = this;
    const token = explanation.promptLength + row;
    const mine = explanation.candidates[token]?.slice(0, SHOWN) ?? [];
    const theirs = explanation.candidates[column]?.slice(0, SHOWN) ?? [];
    return html`
      <div class="title">
        <strong>${words.row}</strong> <span class="muted">←</span> <strong>${words.column}</strong>
      </div>
      <div class="values number">
        ${isContext(explanation, row, column)
          ? html`${this.without()}${modesOf(explanation).map((mode) => html`<span>${SIGNS[mode]} ${this.theirs(mode)}${valueText(readerOf(explanation, mode)(row, column))}</span>`)}`
          : html`<span class="muted">not context of this token</span>`}
      </div>
      ${mine.length || theirs.length
        ? html`<div class="lists number">
            ${this.list(token, mine, theirs)}${this.joined(mine, theirs)}${this.list(column, theirs, mine)}
          </div>`
        : html`<span class="muted">No predictions were logged.</span>`}
    `;
  }

  /** B's value before A's, while something is compared. */
  private theirs(mode: ShownMode): string {
    const { explanation, other, row, column } = this;
    const one = (at: number) => ({ first: at, end: at + 1 });
    return other ? `${valueText(twinValue(explanation, other, mode, one(row), one(column)))} → ` : "";
  }

  /** What was measured, in words. */
  private without() {
    const { explanation, row, column } = this;
    const found = explanation.difference ? null : influenceIn(influencesOn(explanation, [row]), { first: column, end: column + 1 });
    const chance = ownAgreement(explanation)?.probability[row] ?? null;
    if (!found) return nothing;
    const word = nameOf(found);
    if (explanation.instead?.token === row) return html`<span class="measured">“${word}” speaks ${found.nats < 0 ? "against" : "for"} it: ${natsText(found.nats)} nats</span>`;
    if (chance === null) return nothing;
    return html`<span class="measured">without “${word}”: ${probabilityText(chance)} → ${probabilityText(without(chance, found))}</span>`;
  }

  override updated(): void {
    const { x, y } = tipPlace(this.cell, { width: this.offsetWidth, height: this.offsetHeight }, this.room);
    this.style.left = `${x}px`;
    this.style.top = `${y}px`;
  }

  private list(token: number, entries: Candidate[], others: Candidate[]) {
    return html`<div class="list">
      <span class="muted"><span class="name">at ${tokenText(this.explanation.context[token]?.text ?? "")}</span></span>
      ${entries.map(
        ({ id, text, probability }) => html`<span class=${others.some((other) => other.id === id) ? "shared" : ""}
          ><span class="name">${tokenText(text)}</span><span>${probabilityText(probability)}</span></span
        >`,
      )}
    </div>`;
  }

  /** A line from each entry to the same one in the other list. */
  private joined(mine: Candidate[], theirs: Candidate[]) {
    const middle = (i: number) => (i + 0.5) * ENTRY_HEIGHT;
    return html`<svg width=${GUTTER} height=${ENTRY_HEIGHT * Math.max(mine.length, theirs.length)} aria-hidden="true">
      ${mine.map(({ id }, i) => {
        const other = theirs.findIndex((entry) => entry.id === id);
        if (other < 0) return nothing;
        return svg`<line x1="5" x2=${GUTTER - 5} y1=${middle(i)} y2=${middle(other)}></line>
          <circle cx="5" cy=${middle(i)} r="2.5"></circle>
          <circle cx=${GUTTER - 5} cy=${middle(other)} r="2.5"></circle>`;
      })}
    </svg>`;
  }
}
customElements.define("mmx-matrix-tip", MatrixTip);
