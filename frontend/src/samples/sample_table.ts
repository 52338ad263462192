// The table of samples, to find those worth opening: answers, metrics and grounding at the step that
// is shown, and what changed since the other one. Only the rows in view are in the page.
import { type PropertyValues, html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type NumberColumn, fittingColumns, numberColumns } from "./sample_columns";
import {
  type RecordsAtStep,
  type SampleRecord,
  type SampleRow,
  type Sort,
  answerOf,
  answerParts,
  filterRows,
  makeRows,
  numberOf,
  sortRows,
  visibleRange,
} from "./sample_rows";
import { metricTerm, stepText } from "../view/text";
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
  range = { first: 0, end: 0 };

  private all: SampleRow[] = [];
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
    if (remade || changed.has("query") || changed.has("sort")) {
      this.rows = sortRows(filterRows(this.all, this.query), this.sort);
    }
  }

  protected override updated(changed: PropertyValues<this>): void {
    const grid = this.renderRoot.querySelector<HTMLElement>(".grid")!;
    // What a new order or a new filter brings to the top is what was asked for.
    if (changed.get("sort") !== undefined || changed.get("query") !== undefined) grid.scrollTop = 0;
    else if (changed.has("selected") || changed.get("size")?.width === 0 || changed.get("records")?.length === 0) this.reveal();
    this.measure();
  }

  override render() {
    const sized = this.isNarrow ? this.columns.map(narrowed) : this.columns;
    const columns = fittingColumns(sized, this.roomForNumbers(), this.sort?.key);
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
          aria-label="Filter samples by name, answer or prompt"
          placeholder="Filter"
          spellcheck="false"
          .value=${this.query}
          @input=${(event: Event) => this.change({ query: (event.target as HTMLInputElement).value })}
          @keydown=${this.leaveFilter}
        />
        <span class="count number" role="status">
          ${count < total ? `${stepText(count)} of ` : ""}${stepText(total)} ${total === 1 ? "sample" : "samples"}
        </span>
        ${columns.length < this.columns.length ? this.sortList() : nothing}
      </div>
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
        <div role="columnheader" aria-label="Image"></div>
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
        @click=${() => this.ask("view-change", { tag })}
      >
        <div class="image" role="gridcell">
          <span>${address ? html`<img loading="lazy" decoding="async" alt="" src=${address} />` : nothing}</span>
        </div>
        <div class="name" role="rowheader" title=${elsewhere ? `${name}, ${elsewhere}` : name}>
          ${name} ${elsewhere && !this.isNarrow ? html`<small>${elsewhere}</small>` : nothing}
        </div>
        ${record.error
          ? html`<div class="error" role="gridcell" aria-colspan=${columns.length + 1} title=${record.error}>${record.error}</div>`
          : [
              html`<div role="gridcell" title=${answerTitle(row)}>
                ${answerParts(row).map(({ text, changed }) => (changed ? html`<mark>${text}</mark> ` : `${text} `))}
              </div>`,
              ...columns.map((column) => (column.key === "change" ? this.changeCell(row, column) : numberCell(record, column))),
            ]}
      </div>
    `;
  }

  private changeCell({ change, other, record }: SampleRow, { format }: NumberColumn) {
    if (!change) {
      return html`<div class="number muted" role="gridcell" title=${other?.error ?? "B has no record of this sample"}>–</div>`;
    }
    const column = this.columns.find(({ key }) => key === change.key);
    const [mine, theirs] = [record, other!].map((each) => column?.format(numberOf(each, change.key)!));
    const title = [change.answers ? "another answer" : "the same answer", column && `${column.title}: ${theirs} in B, ${mine} in A`];
    const amount = format(change.amount);
    return html`
      <div class="number change" role="gridcell" title=${title.filter(Boolean).join("; ")}>
        ${change.answers ? html`<b aria-label="another answer">≠</b>` : nothing}
        ${change.amount && !this.isNarrow ? html`<small>${column?.title}</small>` : nothing}
        ${change.amount
          ? html`<span>${change.amount > 0 ? "+" : ""}${amount}</span>`
          : html`<span class="muted">${change.answers ? "" : "same"}</span>`}
      </div>
    `;
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
    // First what deserves a look: the largest change, the least grounded, the worst.
    const descending = this.sort?.key === key ? !this.sort.descending : key === "change";
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
    else if (row) this.ask("view-change", { tag: row.tag });
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

/** Without the name of the number that changed. */
function narrowed(column: NumberColumn): NumberColumn {
  return column.key === "change" ? { ...column, width: 88 } : column;
}

function numberCell(record: SampleRecord, { key, format }: NumberColumn) {
  const value = numberOf(record, key);
  if (value === null) return html`<div class="number muted" role="gridcell">–</div>`;
  const text = format(value);
  return html`<div class="number" role="gridcell">
    ${SHARES.includes(key) ? html`<span class="share" style="--share: ${value}">${text}</span>` : text}
  </div>`;
}

function answerTitle({ record, other, change }: SampleRow): string {
  const answer = answerOf(record);
  return change?.answers ? `A: ${answer}\nB: ${answerOf(other!)}` : answer;
}
