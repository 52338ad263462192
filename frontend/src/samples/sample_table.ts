// The table of samples, to find those worth opening: answers, metrics and grounding at the step that
// is shown, and what changed since the other one. Only the rows in view are in the page.
import { type PropertyValues, html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type NumberColumn, columnFormat, fittingColumns, numberColumns } from "./sample_columns";
import { type Kept, differenceOf, gainOf, histogramOf, keptRows, summaryOf } from "./comparison";
import "./difference_bar";
import { kindOf, signed } from "./difference_bar";
import { directionOf } from "./directions";
import type { Notes } from "./notes";
import { type Query, parseQuery } from "./query";
import {
  type RecordsAtStep,
  type SampleRecord,
  type SampleRow,
  type Sort,
  answerOf,
  answerParts,
  makeRows,
  numberOf,
  sortRows,
  visibleRange,
} from "./sample_rows";
import { metricTerm, sampleName, stepText } from "../view/text";
import { type PanelEvents, PanelElement, controls, options, unattributed } from "../view/base";
import { HEAD_HEIGHT, ROW_HEIGHT, SIDE, tableStyle } from "./sample_table_style";

const OVERSCAN = 8;
const THUMBNAIL_WIDTH = 58;
/** Below this width there is no room for what the tooltips say as well. */
const NARROW = 720;
const NAME_CHARACTER = 7.4;
/** Drawn as bars too. */
const SHARES = ["grounding", "lowest_grounding"];

export class SampleTable extends PanelElement {
  static override properties = {
    records: unattributed,
    step: unattributed,
    // Whoever hands these over may make them anew each time.
    other: { attribute: false, hasChanged: differs },
    selected: unattributed,
    thumbnail: unattributed,
    query: unattributed,
    sort: { attribute: false, hasChanged: differs },
    kept: unattributed,
    notes: unattributed,
    noted: unattributed,
    range: { state: true },
  };
  records: readonly SampleRecord[] = [];
  /** Rows show the record nearest to it; the latest where null. */
  step: number | null = null;
  /** B; null while nothing is compared. */
  other: RecordsAtStep | null = null;
  /** Tag of the sample on screen. */
  selected = "";
  /** The address of an image, or "" where there is none. */
  thumbnail: (imageHash: string) => string = () => "";
  query = "";
  /** Null for the logged order. */
  sort: Sort | null = null;
  /** Of the differences, while something is compared. */
  declare kept: Kept;
  declare notes: Notes;
  /** All of them as JSON: what changes with each. */
  declare noted: string;
  range = { first: 0, end: 0 };

  private all: SampleRow[] = [];
  private asked: Query = { test: () => true, trouble: "" };
  /** Those that the query finds: what is summed up. */
  private found: readonly SampleRow[] = [];
  private rows: readonly SampleRow[] = [];
  private columns: NumberColumn[] = [];
  private longestName = 0;
  private longestStep = 0;

  static override styles = [controls, tableStyle];

  override firstUpdated(): void {
    this.watchSize();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const remade = changed.has("records") || changed.has("step") || changed.has("other");
    if (remade) {
      this.all = makeRows(this.records, this.step, this.other);
      this.columns = numberColumns(this.all, this.other !== null);
      this.longestName = this.all.reduce((most, { name }) => Math.max(most, name.length), 6);
      const latest = this.all.reduce((most, { record }) => Math.max(most, this.isElsewhere(record) ? record.step : 0), 0);
      this.longestStep = latest ? `step ${stepText(latest)}`.length : 0;
    }
    if (remade || changed.has("query") || changed.has("sort") || changed.has("kept") || changed.has("noted")) {
      this.asked = parseQuery(this.query, this.columns.map(({ key }) => key), (tag) => this.notes.of(tag).again);
      this.found = this.all.filter(this.asked.test);
      const kept = this.chosen ? keptRows(this.found, this.chosen.key, this.kept) : this.found;
      this.rows = sortRows(kept, this.sort, (row, key) => (this.isCompared(key) ? gainOf(row, key) : numberOf(row.record, key)));
    }
  }

  private isCompared(key: string): boolean {
    return this.columns.some((column) => column.key === key && column.compared);
  }

  /** The number that is summed up: the one sorted by, else the first of which it is known which way is good. */
  private get chosen(): NumberColumn | undefined {
    const compared = this.columns.filter((column) => column.compared);
    const chosen = compared.find(({ key }) => key === this.sort?.key);
    return chosen ?? compared.find(({ key }) => directionOf(key)) ?? compared[0];
  }

  protected override updated(changed: PropertyValues<this>): void {
    const grid = this.renderRoot.querySelector<HTMLElement>(".grid")!;
    // What a new order or a new filter brings to the top is what was asked for.
    if (changed.get("sort") !== undefined || changed.get("query") !== undefined) grid.scrollTop = 0;
    else if (changed.has("selected") || changed.get("size")?.width === 0 || changed.get("records")?.length === 0) this.reveal();
    this.measure();
  }

  override render() {
    const columns = fittingColumns(this.columns, this.roomForNumbers(), this.sort?.key);
    const template = [
      `${THUMBNAIL_WIDTH}px`,
      `${this.nameWidth()}px`,
      "minmax(0, 1fr)",
      ...columns.map(({ width }) => `${width}px`),
    ].join(" ");
    const [count, total] = [this.rows.length, this.all.length];
    const at = this.place();
    const { first, end } = this.range;
    const drawn = at >= first && at < end;
    return html`
      <div class="bar">
        ${this.isNarrow ? nothing : html`<h2>Samples</h2>`}
        <input
          class="field"
          type="search"
          aria-label="Filter samples by name, answer, prompt or numbers"
          title="Words to find, or conditions: obj_iou < .3 and p < .5; change.obj_iou < 0; tagged"
          placeholder="Filter: words, or obj_iou < .3 and p < .5"
          spellcheck="false"
          .value=${this.query}
          @input=${(event: Event) => this.change({ query: (event.target as HTMLInputElement).value })}
          @keydown=${this.leaveFilter}
        />
        <span class="count number ${this.asked.trouble ? "trouble" : ""}" role="status">
          ${this.asked.trouble || `${count < total ? `${stepText(count)} of ` : ""}${stepText(total)} ${total === 1 ? "sample" : "samples"}`}
        </span>
        ${columns.length < this.columns.length ? this.sortList() : nothing}
        <input
          class="field note"
          aria-label="A note on ${sampleName(this.selected)}"
          placeholder="A note on ${sampleName(this.selected)}"
          .value=${this.notes.of(this.selected).text}
          @change=${(event: Event) => this.ask("note-change", { text: (event.target as HTMLInputElement).value })}
        />
        ${this.notesButton()}
      </div>
      ${this.differences()}
      <div
        class="grid"
        role="grid"
        tabindex="0"
        aria-label="Samples"
        aria-rowcount=${count + 1}
        aria-activedescendant=${drawn ? `row-${at}` : nothing}
        style="--columns: ${template}"
        @scroll=${this.measure}
        @keydown=${this.pressed}
      >
        <div class="top" role="rowgroup">${this.head(columns)}</div>
        ${count ? nothing : html`<div class="none">${total ? `No sample matches “${this.query}”.` : "No samples to list."}</div>`}
        <div class="rows" role="rowgroup" style="height: ${count * ROW_HEIGHT}px">
          <div role="presentation" style="transform: translateY(${first * ROW_HEIGHT}px)">
            ${repeat(
              this.rows.slice(first, end),
              (row) => row.tag,
              (row, i) => this.row(row, first + i, columns),
            )}
          </div>
        </div>
      </div>
    `;
  }

  private head(columns: NumberColumn[]) {
    return html`
      <div class="row head" role="row" aria-rowindex="1">
        <div role="columnheader"><span class="unseen">Image</span></div>
        ${this.headCell("name", "sample", "")} ${this.headCell("answer", "answer", "")}
        ${columns.map(({ key, title, hint }) => this.headCell(key, title, hint, "number"))}
      </div>
    `;
  }

  private headCell(key: string, title: string, hint: string, kind = "") {
    const sorted = this.sort?.key === key;
    const arrow = this.sort?.descending ? "▾" : "▴";
    return html`
      <div class=${kind} role="columnheader" aria-sort=${sorted ? (this.sort!.descending ? "descending" : "ascending") : nothing}>
        <button class="quiet" title=${hint || nothing} data-term=${metricTerm(key.replace(/^metric:/, ""))} @click=${() => this.sortBy(key)}>
          ${title}${sorted ? html`<span aria-hidden="true"> ${arrow}</span>` : nothing}
        </button>
      </div>
    `;
  }

  private differences() {
    const { chosen } = this;
    const summary = chosen && summaryOf(this.found, chosen.key);
    if (!summary) return nothing;
    const bins = histogramOf(this.found, chosen.key);
    return html`<mmx-difference-bar
      .summary=${summary}
      .name=${chosen.title}
      .bins=${bins}
      .kept=${this.kept}
      .format=${columnFormat([summary.a, summary.b, summary.by, summary.margin ?? 0])}
    ></mmx-difference-bar>`;
  }

  private notesButton() {
    const { count } = this.notes;
    if (!count) return nothing;
    const address = `data:application/json;charset=utf-8,${encodeURIComponent(this.noted)}`;
    return html`<a class="field" href=${address} download="notes.json" title="What you tagged and noted, as JSON">${count} tagged or noted ⤓</a>`;
  }

  /** Columns that found no room: sorting by one brings it in. */
  private sortList() {
    const columns = this.columns.map(({ key, title }) => [key, title] as const);
    const titles = new Map([["name", "sample"], ["answer", "answer"], ...columns]);
    return html`
      <select aria-label="Sort by" title="Sort by" @change=${(event: Event) => this.sortBy((event.target as HTMLSelectElement).value)}>
        ${this.sort ? nothing : html`<option selected>logged order</option>`}
        ${options([...titles.keys()], this.sort?.key, (key) => titles.get(key) ?? key)}
      </select>
    `;
  }

  private row(row: SampleRow, index: number, columns: NumberColumn[]) {
    const { record, name, tag } = row;
    const address = record.image ? this.thumbnail(record.image) : "";
    const elsewhere = this.isElsewhere(record) ? `step ${stepText(record.step)}` : "";
    return html`
      <div
        class="row"
        role="row"
        id="row-${index}"
        aria-rowindex=${index + 2}
        aria-selected=${tag === this.selected}
        @click=${() => this.open(row)}
      >
        <div class="image" role="gridcell">
          <span>${address ? html`<img loading="lazy" decoding="async" alt="" src=${address} />` : nothing}</span>
        </div>
        <div class="name" role="rowheader" title=${[name, elsewhere, this.notes.of(tag).text].filter(Boolean).join(", ")}>
          ${this.notes.of(tag).again ? html`<b class="again" aria-label="look again">★</b>` : nothing} ${name} ${elsewhere && !this.isNarrow ? html`<small>${elsewhere}</small>` : nothing}
        </div>
        ${record.error
          ? html`<div class="error" role="gridcell" aria-colspan=${columns.length + 1} title=${record.error}>${record.error}</div>`
          : [
              html`<div role="gridcell" title=${answerTitle(row)}>
                ${answerParts(row).map(({ text, changed }) => (changed ? html`<mark>${text}</mark> ` : `${text} `))}
              </div>`,
              ...columns.map((column) => numberCell(row, column)),
            ]}
      </div>
    `;
  }

  /** While something is compared, at the word that changed most. */
  private open({ tag }: SampleRow): void {
    this.ask("view-change", this.other ? { tag, token: null, more: 0 } : { tag });
  }

  /** Nothing was logged at the step that is shown. */
  private isElsewhere({ step }: SampleRecord): boolean {
    return this.step !== null && step !== this.step;
  }

  private get isNarrow(): boolean {
    return this.size.width < NARROW;
  }

  private nameWidth(): number {
    if (this.isNarrow) return Math.min(92, 18 + NAME_CHARACTER * this.longestName);
    return Math.min(280, 18 + NAME_CHARACTER * (this.longestName + this.longestStep));
  }

  private roomForNumbers(): number {
    const answer = Math.min(420, Math.max(100, this.size.width * 0.24));
    return this.size.width - THUMBNAIL_WIDTH - this.nameWidth() - answer - 2 * SIDE;
  }

  /** The selected row's place; -1 where the filter hides it. */
  private place(): number {
    return this.rows.findIndex(({ tag }) => tag === this.selected);
  }

  private sortBy(key: string): void {
    // First what deserves a look: the most words that changed, the least grounded, what got worst.
    const descending = this.sort?.key === key ? !this.sort.descending : key === "words";
    this.change({ sort: { key, descending } });
  }

  private change(detail: PanelEvents["table-change"]): void {
    this.ask("table-change", detail);
  }

  private leaveFilter(event: KeyboardEvent): void {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    this.renderRoot.querySelector<HTMLElement>(".grid")!.focus();
  }

  private pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && event.target !== event.currentTarget) return;
    const at = this.place();
    const page = Math.max(1, Math.floor(this.viewport() / ROW_HEIGHT) - 1);
    const targets: Record<string, number> = {
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      PageUp: at - page,
      PageDown: at + page,
      Home: 0,
      End: this.rows.length - 1,
      Enter: at,
    };
    const wanted = targets[event.key];
    if (wanted === undefined) return;
    // The panel's own shortcuts have other meanings for these keys.
    event.stopPropagation();
    event.preventDefault();
    const row = this.rows[Math.min(this.rows.length - 1, Math.max(0, wanted))];
    if (row?.tag === this.selected) this.reveal();
    else if (row) this.open(row);
  }

  private viewport(): number {
    return Math.max(0, this.renderRoot.querySelector(".grid")!.clientHeight - HEAD_HEIGHT);
  }

  /** Scroll no further than it takes to see the selected row. */
  private reveal(): void {
    const at = this.place();
    if (at < 0) return;
    const grid = this.renderRoot.querySelector(".grid")!;
    const top = at * ROW_HEIGHT;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW_HEIGHT > grid.scrollTop + this.viewport()) grid.scrollTop = top + ROW_HEIGHT - this.viewport();
  }

  private measure(): void {
    const { scrollTop } = this.renderRoot.querySelector(".grid")!;
    const { first, end } = visibleRange(scrollTop, ROW_HEIGHT, this.viewport(), this.rows.length, OVERSCAN);
    if (first !== this.range.first || end !== this.range.end) this.range = { first, end };
  }
}
customElements.define("mmx-sample-table", SampleTable);

function differs(one: object | null, other: object | null | undefined): boolean {
  const [mine, theirs] = [Object.entries(one ?? {}), new Map(Object.entries(other ?? {}))];
  return !one !== !other || mine.some(([name, value]) => value !== theirs.get(name));
}

function numberCell(row: SampleRow, { key, format, compared }: NumberColumn) {
  const { record, other, words } = row;
  if (key === "words") {
    if (words === null) return html`<div class="number muted" role="gridcell" title=${other?.error ?? "B has no record of this sample"}>–</div>`;
    return html`<div class="number" role="gridcell">${words ? html`<b>${words}</b>` : html`<span class="muted">same</span>`}</div>`;
  }
  const value = numberOf(record, key);
  const difference = compared ? differenceOf(row, key) : null;
  if (difference) {
    return html`<div class="number" role="gridcell">
      <span class="muted">${format(difference.b)} → </span>${format(difference.a)}
      <b class=${kindOf(difference.by * directionOf(key))}>${signed(difference.by, format)}</b>
    </div>`;
  }
  if (value === null) return html`<div class="number muted" role="gridcell">–</div>`;
  const text = format(value);
  return html`<div class="number" role="gridcell">
    ${SHARES.includes(key) && !compared ? html`<span class="share" style="--share: ${value}">${text}</span>` : text}
  </div>`;
}

function answerTitle({ record, other, words }: SampleRow): string {
  const answer = answerOf(record);
  return words ? `A: ${answer}\nB: ${answerOf(other!)}` : answer;
}
