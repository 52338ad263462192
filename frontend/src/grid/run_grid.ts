// One sample and word over runs (rows) and checkpoints (columns): which run reads it, and from when on.
import { css, html, nothing } from "lit";
import { type Explanation, shownLayers } from "../data/explanation";
import type { Place } from "../data/explanation_source";
import { drawMap, drawPicture } from "../pixels/draw_map";
import { imageRect } from "../pixels/zoom";
import { unitOf } from "../pixels/stage_picture";
import { PanelElement, controls, prepareCanvas } from "../view/base";
import { inFilm } from "../view/compared";
import { FILM_BYTES, type PanelModel } from "../view/model";
import { layerIndex } from "../view/selection";
import type { ViewState } from "../view/state";
import { probabilityText, stepText, valueText } from "../view/text";
import { type Cell, type Row, cellOf, columnsOf, highOf, rowsOf } from "./cells";

const [CELL_WIDTH, PICTURE_HEIGHT, ROW_HEIGHT] = [66, 46, 72];
const LABEL_ROOM = 112;
const HEAD_HEIGHT = 24;
/** Rows and columns beyond what is seen, so that scrolling shows no gap. */
const BEYOND = 2;

export class RunGrid extends PanelElement {
  static override properties = {
    // The same model shows something else.
    model: { attribute: false, hasChanged: () => true },
    dark: { type: Boolean },
    top: { state: true },
    left: { state: true },
  };
  declare model: PanelModel;
  declare dark: boolean;
  /** How far it is scrolled, in whole rows. */
  top = 0;
  /** And columns. */
  left = 0;

  private rows: Row[] = [];
  private cells = new Map<string, Cell | undefined>();
  private known = "";
  private asked = new Set<string>();
  private askedFor = "";
  private readonly drawn = new WeakMap<HTMLCanvasElement, string>();
  private revealed = "";

  static override styles = [
    controls,
    css`
      :host {
        display: grid;
        grid-template-rows: auto minmax(0, 1fr);
        min-width: 0;
        min-height: 0;
      }
      .said {
        margin: 0 0 6px;
        color: var(--muted);
        font-size: 12px;
      }
      .said strong {
        color: var(--text);
      }
      .scroll {
        position: relative;
        overflow: auto;
        min-height: 0;
      }
      .row {
        display: flex;
        width: max-content;
        min-width: 100%;
      }
      .head {
        position: sticky;
        top: 0;
        z-index: 2;
        height: ${HEAD_HEIGHT}px;
        background: var(--background);
        color: var(--muted);
        font-size: 11px;
      }
      .body {
        height: ${ROW_HEIGHT}px;
      }
      .name {
        position: sticky;
        left: 0;
        z-index: 1;
        flex: none;
        width: ${LABEL_ROOM}px;
        padding: 2px 8px 0 0;
        overflow: hidden;
        background: var(--background);
        font-size: 12px;
        line-height: 1.35;
        overflow-wrap: anywhere;
      }
      .body .name {
        height: ${ROW_HEIGHT - 4}px;
      }
      .here .name {
        font-weight: 600;
      }
      .column,
      .cell {
        flex: none;
        width: ${CELL_WIDTH}px;
        text-align: center;
      }
      .room {
        flex: none;
      }
      .cell button {
        display: block;
        width: ${CELL_WIDTH - 4}px;
        height: ${ROW_HEIGHT - 4}px;
        padding: 0;
        border-color: transparent;
        border-radius: 6px;
        background: none;
        font-size: 11px;
      }
      .cell button:hover {
        background: var(--hover);
      }
      .cell button[aria-current="true"] {
        border-color: var(--side-a);
        box-shadow: inset 0 0 0 1px var(--side-a);
      }
      canvas {
        display: block;
        width: ${CELL_WIDTH - 8}px;
        height: ${PICTURE_HEIGHT}px;
        margin: 1px auto;
        border-radius: 4px;
        background: var(--stage);
      }
      .other {
        color: var(--warning);
      }
    `,
  ];

  override firstUpdated(): void {
    this.watchSize(this.scroller);
  }

  override willUpdate(): void {
    const { view } = this;
    this.rows = rowsOf(this.model.index!, view.tag);
    // Of another word all is read anew.
    const known = JSON.stringify([view.tag, view.token, view.more, view.unit, view.word, view.layer, view.combine, view.image]);
    if (known !== this.known) this.cells.clear();
    this.known = known;
  }

  override render() {
    const { rows, view } = this;
    const { columns, total } = columnsOf(rows, this.room, view.step);
    const [first, end] = this.shownRows;
    const [from, to] = this.shownColumns(columns.length);
    const shown = columns.slice(from, to);
    this.read(rows.slice(first, end), shown);
    const high = highOf(this.cells.values(), view);
    const explanation = this.model.explanation!;
    const unit = unitOf(explanation, shownLayers(explanation)[layerIndex(view, explanation)]!);
    const coming = rows.slice(first, end).flatMap((row) => shown.filter((step) => row.steps.includes(step) && !this.cells.has(keyOf(row.run, step)))).length;
    return html`<p class="said">
        “<strong>${view.word.trim()}</strong>” in ${rows.length} ${rows.length === 1 ? "run" : "runs"} ·
        ${columns.length < total ? `${columns.length} of ${total} steps` : `${total} steps`} · below each its
        <span data-term="probability" tabindex="0">probability</span> · colours 0 to ${valueText(high)}
        <span data-term=${unit === "logit" ? "logit" : "lost"} tabindex="0">${unit}</span> in all
        ${coming ? `· ${coming} to come` : ""}
      </p>
      <div class="scroll number" role="grid" aria-label="Runs and steps" aria-rowcount=${rows.length + 1} aria-colcount=${columns.length + 1} @scroll=${this.scrolled} @keydown=${this.key}>
        <div class="row head" role="row" aria-rowindex="1">
          <span class="name" role="columnheader">run \\ step</span>
          ${room(from)}${shown.map((step, i) => html`<span class="column" role="columnheader" aria-colindex=${from + i + 2}>${stepText(step)}</span>`)}${room(columns.length - to)}
        </div>
        <div role="presentation" style="height:${first * ROW_HEIGHT}px"></div>
        ${rows.slice(first, end).map((row, i) => this.row(row, columns, [from, to], first + i))}
        <div role="presentation" style="height:${(rows.length - end) * ROW_HEIGHT}px"></div>
      </div>`;
  }

  private row({ run, steps }: Row, columns: number[], [from, to]: [number, number], index: number) {
    const here = run === this.view.run;
    return html`<div class="row body ${here ? "here" : ""}" role="row" aria-rowindex=${index + 2}>
      <span class="name" role="rowheader" title=${run}>${run}</span>
      ${room(from)}${columns
        .slice(from, to)
        .map((step, i) => html`<span class="cell" role="gridcell" aria-colindex=${from + i + 2}>${steps.includes(step) ? this.cell(run, step) : nothing}</span>`)}${room(columns.length - to)}
    </div>`;
  }

  private cell(run: string, step: number) {
    const key = keyOf(run, step);
    const cell = this.cells.get(key);
    const here = run === this.view.run && step === this.view.step;
    const said = this.saidOf(key, cell);
    return html`<button
      tabindex=${here ? 0 : -1}
      aria-current=${here}
      aria-label="${run}, step ${stepText(step)}: ${said}"
      title="${run}, step ${stepText(step)}: ${said}"
      @click=${() => this.ask("view-change", { run, step })}
    >
      <canvas data-key=${key}></canvas><span class=${cell?.instead ? "other" : ""}>${cell ? probabilityText(cell.probability) : this.cells.has(key) ? "damaged" : "…"}</span>
    </button>`;
  }

  private saidOf(key: string, cell: Cell | undefined): string {
    if (!cell) return this.cells.has(key) ? "damaged" : "on its way";
    if (!cell.there) return "this answer has no such word";
    return `probability ${probabilityText(cell.probability)}${cell.instead ? `, would say “${cell.instead}”` : ""}`;
  }

  override updated(): void {
    const { view } = this;
    const { image } = this.model;
    const high = highOf(this.cells.values(), view);
    const hatch = getComputedStyle(this).getPropertyValue("--hatch");
    for (const canvas of this.renderRoot.querySelectorAll("canvas")) {
      const cell = this.cells.get(canvas.dataset.key!);
      const how = JSON.stringify([canvas.dataset.key, !!cell, this.known, high, view.colors, view.opacity, view.smooth, view.grey, !!image.bitmap, this.dark]);
      if (this.drawn.get(canvas) === how) continue;
      this.drawn.set(canvas, how);
      const room = { width: CELL_WIDTH - 8, height: PICTURE_HEIGHT };
      const context = prepareCanvas(canvas, room.width, room.height);
      const { bitmap } = image;
      const rect = imageRect(room, bitmap ?? { width: cell?.map?.cols ?? 1, height: cell?.map?.rows ?? 1 });
      if (bitmap) drawPicture(context, bitmap, rect, view.grey);
      if (cell?.map) drawMap(context, cell.map, rect, { range: { low: 0, high }, colors: view.colors, opacity: view.opacity, smooth: view.smooth, hatch });
    }
    this.reveal();
  }

  /** Takes what has come, and asks for what has not: once, until something else is looked at. */
  private read(rows: readonly Row[], columns: readonly number[]): void {
    const { view } = this;
    const missing: Place[] = [];
    for (const { run, steps } of rows) {
      for (const step of columns) {
        const key = keyOf(run, step);
        if (!steps.includes(step) || this.cells.has(key)) continue;
        const place = { run, tag: view.tag, step };
        const found = this.holds(place);
        if (found === null) missing.push(place);
        else this.cells.set(key, found && cellOf(found, view));
      }
    }
    const state = JSON.stringify([this.known, view.run, view.step, this.top]);
    if (state !== this.askedFor) this.asked.clear();
    this.askedFor = state;
    const fresh = missing.filter(({ run, step }) => !this.asked.has(keyOf(run, step)));
    for (const { run, step } of fresh) this.asked.add(keyOf(run, step));
    if (fresh.length) void this.model.source.prefetchAll(fresh);
  }

  private get view(): ViewState {
    return this.model.view;
  }

  /** Null until it has come, undefined where it is damaged. */
  private holds(place: Place): Explanation | null | undefined {
    const { source, explanation, view } = this.model;
    return inFilm(source.cached(place), explanation, view.image);
  }

  private get scroller(): HTMLElement {
    return this.renderRoot.querySelector(".scroll")!;
  }

  private get visible(): number {
    return Math.ceil((this.size.height || 4 * ROW_HEIGHT) / ROW_HEIGHT) + 1;
  }

  private get shownRows(): [number, number] {
    return [Math.max(0, this.top - BEYOND), Math.min(this.rows.length, this.top + this.visible + BEYOND)];
  }

  private shownColumns(count: number): [number, number] {
    const visible = Math.ceil((this.size.width || 8 * CELL_WIDTH) / CELL_WIDTH);
    return [Math.max(0, this.left - BEYOND), Math.min(count, this.left + visible + BEYOND)];
  }

  /** Columns that can be held of all rows at once. */
  private get room(): number {
    const most = FILM_BYTES / this.model.explanation!.bytes;
    return Math.floor(most / Math.max(1, Math.min(this.rows.length, this.visible + 2 * BEYOND)));
  }

  private scrolled(): void {
    this.top = Math.floor(this.scroller.scrollTop / ROW_HEIGHT);
    this.left = Math.floor(this.scroller.scrollLeft / CELL_WIDTH);
  }

  /** What is in view, whenever that is another. */
  private reveal(): void {
    const { run, step, tag } = this.view;
    const state = JSON.stringify([run, step, tag]);
    const { scroller, size } = this;
    if (state === this.revealed || !size.height) return;
    this.revealed = state;
    const { columns } = columnsOf(this.rows, this.room, step);
    const [row, column] = [this.rows.findIndex((entry) => entry.run === run), columns.indexOf(step!)];
    const within = (at: number, from: number, room: number) => Math.min(at, Math.max(from, at - room));
    scroller.scrollTop = within(row * ROW_HEIGHT, scroller.scrollTop, size.height - HEAD_HEIGHT - ROW_HEIGHT);
    scroller.scrollLeft = within(column * CELL_WIDTH, scroller.scrollLeft, size.width - LABEL_ROOM - CELL_WIDTH);
  }

  /** The arrows go from cell to cell: one tab stop for all of them. */
  private key(event: KeyboardEvent): void {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const from = (event.composedPath()[0] as Element).closest(".cell");
    if (!way || !from || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    let row = from.parentElement!;
    let at = [...row.children].indexOf(from);
    // Past cells of steps that a run did not log.
    for (;;) {
      at += way[1]!;
      if (way[0]) row = (way[0] > 0 ? row.nextElementSibling : row.previousElementSibling) as HTMLElement;
      const cell = row?.classList.contains("body") ? row.children[at] : null;
      if (!cell?.classList.contains("cell")) return;
      const button = cell.querySelector("button");
      if (button) return button.focus();
    }
  }
}
customElements.define("mmx-run-grid", RunGrid);

/** In the place of columns that are not drawn. */
function room(columns: number) {
  return html`<span class="room" role="presentation" style="width:${columns * CELL_WIDTH}px"></span>`;
}

function keyOf(run: string, step: number): string {
  return JSON.stringify([run, step]);
}
