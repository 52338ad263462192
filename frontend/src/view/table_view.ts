// The table of samples, with what the model knows of A and B.
import { html } from "lit";
import type { PanelEvents } from "./base";
import type { PanelModel } from "./model";
import type { Notes } from "../samples/notes";

export function sampleTable(model: PanelModel, table: Required<PanelEvents["table-change"]>, notes: Notes) {
  const { run, step, tag } = model.view;
  const other = model.otherPlace;
  return html`<mmx-sample-table
    .records=${model.recordsOf(run)}
    .step=${step}
    .other=${other ? { records: model.recordsOf(other.run), step: other.step } : null}
    .selected=${tag}
    .thumbnail=${(hash: string) => model.api.imageAddress(run, hash)}
    .query=${table.query}
    .sort=${table.sort}
    .kept=${table.kept}
    .notes=${notes}
    .noted=${notes.json()}
  ></mmx-sample-table>`;
}
