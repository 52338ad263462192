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
  };
  declare colors: ColorMap;
  declare high: number;
  declare unit: string;
  /** A difference: the bar begins as far below zero as it ends above. */
  declare signed: boolean;

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
        <span>${this.signed ? `−${high}` : 0}</span><span>${this.signed ? "+" : ""}${high} <span class="muted">${this.unit}</span></span>
      </div>
      ${this.signed ? html`<div class="ends"><strong>B</strong><span class="muted">more in</span><strong>A</strong></div>` : nothing}
    `;
  }
}
customElements.define("mmx-matrix-key", MatrixKey);
