// What the matrix's colours mean: a bar from zero to the largest value, in the corner beside the
// column labels, where no cell comes.
import { css, html, nothing } from "lit";
import { type ColorMap, cssColor } from "../pixels/color";
import { valueText } from "../view/text";
import { PanelElement, controls, unattributed } from "../view/base";

export class MatrixKey extends PanelElement {
  static override properties = {
    colors: unattributed,
    high: unattributed,
    unit: unattributed,
    signed: { type: Boolean },
    ends: unattributed,
  };
  declare colors: ColorMap;
  declare high: number;
  declare unit: string;
  /** The bar begins as far below zero as it ends above. */
  declare signed: boolean;
  /** What its two ends mean; then it is a difference's, where none. */
  declare ends: [string, string] | undefined;

  static override styles = [
    controls,
    css`
      :host {
        display: block;
        font-size: 11px;
        line-height: 14px;
        white-space: nowrap;
      }
      .bar {
        height: 7px;
        margin-bottom: 3px;
        border-radius: 3px;
      }
      .ends {
        display: flex;
        justify-content: space-between;
      }
    `,
  ];

  override render() {
    const stops = [0, 0.25, 0.5, 0.75, 1].map((at) => cssColor(this.colors, at)).join();
    const high = valueText(this.high).replace(/\.0+$/, "");
    return html`
      <div class="bar" style="background:linear-gradient(to right,${stops})"></div>
      <div class="ends number">
        ${this.signed && this.ends
          ? html`<span>±${high} <span class="muted">${this.unit}</span></span>`
          : html`<span>${this.signed ? `−${high}` : 0}</span><span>${this.signed ? "+" : ""}${high} <span class="muted">${this.unit}</span></span>`}
      </div>
      ${!this.signed
        ? nothing
        : this.ends
          ? html`<div class="ends"><strong>${this.ends[0]}</strong><strong>${this.ends[1]}</strong></div>`
          : html`<div class="ends"><strong>B</strong><span class="muted">more in</span><strong>A</strong></div>`}
    `;
  }
}
customElements.define("mmx-matrix-key", MatrixKey);
