// One row of the matrix as a table, for screen readers and for reading figures.
import { css, html } from "lit";
import { type Explanation, MATRIX_MODES, isContext, matrixValue } from "../data/explanation";
import { MODE_NAMES } from "./matrix_text";
import { tokenText, valueText } from "../view/text";
import { PanelElement, controls, unattributed } from "../view/base";

export class MatrixTable extends PanelElement {
  static override properties = {
    explanation: unattributed,
    row: unattributed,
    template: { type: Boolean },
  };
  declare explanation: Explanation;
  /** Answer token. */
  declare row: number;
  declare template: boolean;

  static override styles = [
    controls,
    css`
      table {
        width: 100%;
        border-collapse: collapse;
        font-size: 12px;
      }
      caption {
        padding-bottom: 6px;
        text-align: left;
        color: var(--muted);
      }
      th {
        font-weight: 600;
      }
      th,
      td {
        padding: 3px 8px;
        border-bottom: 1px solid var(--line);
        text-align: right;
      }
      th:first-child {
        text-align: left;
      }
    `,
  ];

  override render() {
    const { explanation, row } = this;
    const columns = explanation.context.flatMap((token, j) =>
      isContext(explanation, row, j) && (this.template || !token.special) ? [j] : [],
    );
    return html`<table>
      <caption>
        What “${this.word(explanation.promptLength + row)}” (token ${row + 1}) leaned on
      </caption>
      <thead>
        <tr>
          <th scope="col">context</th>
          ${MATRIX_MODES.map((mode) => html`<th scope="col">${MODE_NAMES[mode]}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${columns.map(
          (j) => html`<tr>
            <th scope="row">${this.word(j)}</th>
            ${MATRIX_MODES.map((mode) => html`<td class="number">${valueText(matrixValue(explanation, mode, row, j))}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>`;
  }

  private word(j: number): string {
    return tokenText(this.explanation.context[j]?.text ?? "");
  }
}
customElements.define("mmx-matrix-table", MatrixTable);
