// Answer tokens (rows) against context tokens (columns): what each word does to the others. The cells
// and what is marked on them are drawn on two canvases, at most once per frame.
import { type PropertyValues, html, nothing } from "lit";
import { type ColorMap, matrixColors } from "../pixels/color";
import { drawMarks } from "./draw_matrix";
import type { Explanation } from "../data/explanation";
import { strongestPair } from "./matrix_cells";
import { GROUPINGS, type Grouping } from "./matrix_groups";
import type { MatrixLayout } from "./matrix_layout";
import { MatrixScene } from "./matrix_scene";
import { matrixStyle } from "./matrix_style";
import { type ShownMode, isSigned, modeIn, modesOf } from "./matrix_values";
import { groupIndex, groupText, rowText } from "../words/units";
import { MODE_ENDS, MODE_NAMES, MODE_TITLES, MODE_UNITS, describeRow } from "./matrix_text";
import type { Point, Size } from "../pixels/geometry";
import { PointerGestures, wheelZoom } from "../pixels/gesture";
import type { ViewState } from "../view/state";
import { selectedTokens } from "../view/selection";
import { type Hover, NO_HOVER, PanelElement, controls, options, prepareCanvas, unattributed } from "../view/base";
import { Parts } from "../view/parts";
import "./matrix_key";

const STEP_ZOOM = 1.5;
/** The wheel rests for so long before the cell under it is pointed out again. */
const SETTLED_MS = 150;

export class RelevanceMatrix extends PanelElement {
  static override properties = {
    explanation: unattributed,
    other: unattributed,
    view: unattributed,
    hover: unattributed,
    dark: { type: Boolean },
    tabular: { state: true },
    byTurns: { state: true },
  };
  declare explanation: Explanation;
  /** B, while something is compared. */
  declare other: Explanation | null;
  declare view: ViewState;
  declare hover: Hover;
  declare dark: boolean;
  /** Shown as a table of the selected token's row. */
  tabular = false;
  /** Columns are what one side of the conversation said. */
  byTurns = false;

  /** Null until there is room. */
  private scene: MatrixScene | null = null;
  private description = "";
  private frame = 0;
  /** The cells have to be drawn again, not only the marks. */
  private stale = true;
  private settling = 0;
  private readonly gestures = new PointerGestures();
  private readonly parts = new Parts(
    { table: ["the table", () => import("./matrix_table")], tip: ["the cell's figures", () => import("./matrix_tip")] },
    () => this.requestUpdate(),
  );
  /** For the canvases in whole pixels, or they would be blurred. */
  private room: Size = this.size;

  static override styles = [controls, matrixStyle];

  private get layout(): MatrixLayout | null {
    return this.scene?.layout ?? null;
  }

  override firstUpdated(): void {
    this.watchSize(this.renderRoot.querySelector(".room")!);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    cancelAnimationFrame(this.frame);
    window.clearTimeout(this.settling);
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("size")) this.room = { width: Math.floor(this.size.width), height: Math.floor(this.size.height) };
    const { explanation, view, room, grouping } = this;
    const { mode, colors } = this;
    const { template, token } = view;
    const before = changed.has("view") ? changed.get("view") : view;
    if (changed.has("explanation") || before?.matrix !== view.matrix || before.token !== token || before.unit !== view.unit) {
      this.description = describeRow(explanation, mode, token ?? 0, view.unit);
    }
    if (!room.width) return;
    const subject = { explanation, mode, colors, template, grouping, room };
    if (this.scene) this.scene.show(subject);
    else this.scene = new MatrixScene(subject);
    if (before?.token !== token) this.scene.reveal({ row: token ?? 0, column: null });
  }

  override render() {
    const { view, explanation } = this;
    const special = explanation.context.some((token) => token.special);
    const zoomed = this.scene?.zoomed ?? false;
    return html`
      <header>
        <span class="modes segments" role="group" aria-label="What the matrix shows">
          ${modesOf(explanation).map(
            (mode) => html`<button
              aria-pressed=${mode === this.mode}
              data-term=${mode}
              @click=${() => this.ask("view-change", { matrix: mode })}
            >${MODE_NAMES[mode]}</button>`,
          )}
        </span>
        <select
          aria-label="Group by"
          title="The largest of its tokens' values"
          @change=${(event: Event) => this.group((event.target as HTMLSelectElement).value as Grouping)}
        >
          ${options(GROUPINGS, this.grouping)}
        </select>
        <label title="The selected token's row"
          ><input
            type="checkbox"
            class="tabular"
            .checked=${this.tabular}
            @change=${(event: Event) => (this.tabular = (event.target as HTMLInputElement).checked)}
          />table</label
        >
        ${special
          ? html`<label title="The chat template's tokens (t)"
              ><input
                type="checkbox"
                .checked=${view.template}
                @change=${(event: Event) => this.ask("view-change", { template: (event.target as HTMLInputElement).checked })}
              />template</label
            >`
          : nothing}
        <p class="sentence" title=${MODE_TITLES[this.mode]}>${MODE_TITLES[this.mode]}.${explanation.measuredDamage ? html` <span class="warning">${explanation.measuredDamage}</span>` : nothing}</p>
        ${!this.tabular && (zoomed || this.scene?.dense) ? this.zoomButtons(zoomed) : nothing}
      </header>
      <div class="room ${this.tabular ? "scrolled" : ""}">
        ${explanation.matrixDamage
          ? html`<div class="damage" role="status">The matrix is damaged: ${explanation.matrixDamage}.</div>`
          : this.tabular
            ? this.parts.show(
                "table",
                () => html`<mmx-matrix-table .explanation=${explanation} .other=${explanation.difference ? null : this.other} .row=${view.token ?? 0} .unit=${view.unit} ?template=${view.template}></mmx-matrix-table>`,
              )
            : this.drawn()}
      </div>
    `;
  }

  private get mode(): ShownMode {
    return modeIn(this.explanation, this.view.matrix);
  }

  private get colors(): ColorMap {
    return matrixColors(this.view.colors, isSigned(this.explanation, this.mode), this.dark);
  }

  private get grouping(): Grouping {
    return this.byTurns ? "turns" : this.view.unit;
  }

  private group(by: Grouping): void {
    this.byTurns = by === "turns";
    if (by !== "turns") this.ask("view-change", { unit: by });
  }

  private drawn() {
    const zoomed = this.scene?.zoomed ?? false;
    const size = `width:${this.room.width}px;height:${this.room.height}px`;
    return html`<canvas
        style=${size}
        class=${zoomed ? "zoomed" : ""}
        tabindex="0"
        role="img"
        aria-label=${this.description}
        @wheel=${this.wheel}
        @pointerdown=${this.press}
        @pointermove=${this.move}
        @pointerup=${this.release}
        @pointercancel=${this.release}
        @pointerleave=${this.leave}
        @click=${this.pick}
        @dblclick=${this.reset}
        @keydown=${this.key}
        @blur=${this.leave}
      ></canvas>
      <canvas class="marks" style=${size} aria-hidden="true"></canvas>
      <div class="corner">
        <mmx-matrix-key
          .colors=${this.colors}
          ?signed=${isSigned(this.explanation, this.mode)}
          .ends=${this.explanation.difference ? undefined : MODE_ENDS[this.mode]}
          .high=${this.scene?.high ?? 1}
          .unit=${MODE_UNITS[this.mode]}
        ></mmx-matrix-key>
      </div>
      ${this.tip()}`;
  }

  private zoomButtons(zoomed: boolean) {
    return html`<span class="zoom">
      <button aria-label="Zoom the matrix out" title="Zoom out (−)" @click=${() => this.zoomBy(1 / STEP_ZOOM)}>−</button>
      ${zoomed ? html`<button title="Whole matrix (0)" @click=${this.reset}>fit</button>` : nothing}
      <button aria-label="Zoom the matrix in" title="Zoom in (+)" @click=${() => this.zoomBy(STEP_ZOOM)}>+</button>
    </span>`;
  }

  private tip() {
    const { explanation } = this;
    const cell = this.scene?.cellOf(this.hover);
    if (!cell) return nothing;
    const pair = strongestPair(explanation, this.mode, cell.row, cell.column);
    return this.parts.show(
      "tip",
      () => html`<mmx-matrix-tip
        .explanation=${explanation}
        .other=${explanation.difference ? null : this.other}
        .row=${pair.row}
        .column=${pair.column}
        .words=${{ row: rowText(explanation, cell.row), column: groupText(explanation, cell.column) }}
        .cell=${cell.rect}
        .room=${this.room}
      ></mmx-matrix-tip>`,
    );
  }

  override updated(changed: PropertyValues): void {
    this.stale ||= changed.size > 1 || !changed.has("hover");
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const [cells, marks] = this.renderRoot.querySelectorAll("canvas");
    const { scene, room } = this;
    if (!cells || !marks || !scene) return;
    const style = getComputedStyle(this);
    if (this.stale) scene.drawCells(prepareCanvas(cells, room.width, room.height), style.getPropertyValue("--hatch"));
    this.stale = false;
    drawMarks(prepareCanvas(marks, room.width, room.height), this.explanation, scene.layout, {
      selected: selectedTokens(this.view, this.explanation),
      hovered: this.hover,
      text: style.getPropertyValue("--text"),
      muted: style.getPropertyValue("--muted"),
      accent: style.getPropertyValue("--accent"),
    });
  }

  /** After the scene was zoomed or panned. */
  private moved(): void {
    this.stale = true;
    this.requestUpdate();
  }

  /** About the cell in question. */
  private zoomBy(by: number): void {
    const at = { row: this.view.token, column: this.hover.column };
    this.scene?.zoomBy(by, this.scene.centreOf(at));
    this.moved();
  }

  private reset(): void {
    this.scene?.reset();
    this.moved();
  }

  private wheel(event: WheelEvent): void {
    // The page scrolls on where there is nothing left to zoom out of.
    if (!this.scene || (!this.scene.zoomed && event.deltaY > 0)) return;
    event.preventDefault();
    const at = { x: event.offsetX, y: event.offsetY };
    this.scene.zoomBy(wheelZoom(event), at);
    this.moved();
    this.point(NO_HOVER);
    window.clearTimeout(this.settling);
    this.settling = window.setTimeout(() => this.point(this.placeAt(at)), SETTLED_MS);
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.gestures.press(event.pointerId, { x: event.offsetX, y: event.offsetY });
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
  }

  private move(event: PointerEvent): void {
    const at = { x: event.offsetX, y: event.offsetY };
    window.clearTimeout(this.settling);
    const gesture = this.gestures.move(event.pointerId, at);
    if (gesture && this.scene) {
      this.scene.follow(gesture);
      this.moved();
      this.point(NO_HOVER);
    } else if (!this.gestures.pressed) this.point(this.placeAt(at));
  }

  private release(event: PointerEvent): void {
    this.gestures.release(event.pointerId);
  }

  private leave(): void {
    window.clearTimeout(this.settling);
    this.point(NO_HOVER);
  }

  private pick(event: MouseEvent): void {
    const { row } = this.placeAt({ x: event.offsetX, y: event.offsetY });
    if (row !== null && !this.gestures.dragged) this.ask("token-select", row);
  }

  private placeAt(at: Point): Hover {
    return this.scene?.placeAt(at, window.devicePixelRatio) ?? NO_HOVER;
  }

  private point(hover: Hover): void {
    if (hover.row !== this.hover.row || hover.column !== this.hover.column) this.ask("hover-change", hover);
  }

  /** On the matrix the arrows walk its cells: up and down the rows, left and right the columns. */
  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const by = { "+": STEP_ZOOM, "=": STEP_ZOOM, "-": 1 / STEP_ZOOM }[event.key];
    if (way) this.walk(way[0]!, way[1]!);
    else if (by) this.zoomBy(by);
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private walk(down: number, right: number): void {
    if (!this.layout) return;
    const { rows, columns } = this.layout;
    const next = (count: number, from: number, by: number) => Math.min(count - 1, Math.max(0, Math.max(0, from) + by));
    const row = rows[next(rows.length, groupIndex(rows, this.view.token ?? 0), down)]!.first;
    const column = columns[next(columns.length, groupIndex(columns, this.hover.column), right)]!.first;
    if (row !== this.view.token) this.ask("token-select", row);
    this.scene!.reveal({ row, column });
    this.moved();
    this.point({ row, column });
  }
}
customElements.define("mmx-relevance-matrix", RelevanceMatrix);
