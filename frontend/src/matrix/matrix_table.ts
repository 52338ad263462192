// One row of the matrix as a table, for screen readers and for reading figures.
import { css, html } from "lit";
import { type Explanation, isContext } from "../data/explanation";
import { strongestValue } from "./matrix_cells";
import { MODE_NAMES, MODE_TITLES } from "./matrix_text";
import { type ShownMode, modesOf } from "./matrix_values";
import { twinValue } from "./twin_value";
import { valueText } from "../view/text";
import { type Group, type Unit, answerUnits, contextUnits, groupText, rowText, unitAt } from "../words/units";
import { PanelElement, controls, unattributed } from "../view/base";

export class MatrixTable extends PanelElement {
  static override properties = {
    explanation: unattributed,
    row: unattributed,
    unit: unattributed,
    other: unattributed,
    template: { type: Boolean },
  };
  declare explanation: Explanation;
  /** A token of the answer; the row is that of its unit. */
  declare row: number;
  /** What is one row of the table. */
  declare unit: Unit;
  /** B, while something is compared. */
  declare other: Explanation | null;
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
    const { explanation, row, unit } = this;
    const rows = answerUnits(explanation, unit)[unitAt(explanation, unit, row)]!;
    const { other } = this;
    const theirs = (mode: ShownMode, column: Group) => (other ? `${valueText(twinValue(explanation, other, mode, rows, column))} → ` : "");
    const modes = modesOf(explanation);
    const columns = contextUnits(explanation, unit).filter(
      ({ first }) => isContext(explanation, rows.end - 1, first) && (this.template || !explanation.context[first]!.special),
    );
    return html`<table>
      <caption>
        The context of “${rowText(explanation, rows)}” (token ${rows.first + 1}${rows.end - rows.first > 1 ? ` to ${rows.end}` : ""})
      </caption>
      <thead>
        <tr>
          <th scope="col">context</th>
          ${modes.map((mode) => html`<th scope="col" title=${MODE_TITLES[mode]}>${MODE_NAMES[mode]}${other ? " B → A" : ""}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${columns.map(
          (column) => html`<tr>
            <th scope="row">${groupText(explanation, column)}</th>
            ${modes.map((mode) => html`<td class="number">${theirs(mode, column)}${valueText(strongestValue(explanation, mode, rows, column))}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>`;
  }
}
customElements.define("mmx-matrix-table", MatrixTable);
