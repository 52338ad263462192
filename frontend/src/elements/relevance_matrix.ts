// Answer tokens (rows) against context tokens (columns): which words each token leaned on.
import { type PropertyValues, css, html, nothing } from "lit";
import { cssColor, matrixColors } from "../core/color";
import { type MatrixPicture, drawMatrix, paintMatrix } from "../core/draw_matrix";
import { type Explanation, MATRIX_MODES, type MatrixMode, matrixValue } from "../core/explanation";
import { type MatrixLayout, layoutMatrix, placeAt } from "../core/matrix_layout";
import type { Size } from "../core/stage_view";
import type { ViewState } from "../core/state";
import { tokenText, valueText } from "../core/text";
import { type Hover, NO_HOVER, PanelElement, controls, prepareCanvas } from "./base";

const MODE_NAMES: Record<MatrixMode, string> = {
  relevance: "Relevance",
  activation: "Activation",
  weight: "Interference",
};
const MODE_TITLES: Record<MatrixMode, string> = {
  relevance: "ρ: how far the predictions at both places overlap (rank-biased, 0 to 1)",
  activation: "r: what the context token adds to the logit",
  weight: "w: how much the context token counted as interference",
};
const MODE_UNITS: Record<MatrixMode, string> = { relevance: "ρ", activation: "logit", weight: "w" };
const LABEL_ROOM = { left: 84, top: 72 };
const LABEL_FONT = '11px system-ui, "Segoe UI", Roboto, sans-serif';

export class RelevanceMatrix extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    view: { attribute: false },
    hover: { attribute: false },
    dark: { type: Boolean },
    room: { state: true },
    tabular: { state: true },
  };
  declare explanation: Explanation;
  declare view: ViewState;
  declare hover: Hover;
  declare dark: boolean;
  declare room: Size;
  /** Shown as a table of the selected token's row. */
  declare tabular: boolean;

  private layout: MatrixLayout | null = null;
  private picture: MatrixPicture | null = null;
  /** The value of the brightest colour. */
  private high = 1;
  private readonly watcher = new ResizeObserver(([entry]) => {
    const { width, height } = entry!.contentRect;
    if (width && height) this.room = { width, height };
  });

  constructor() {
    super();
    this.room = { width: 0, height: 0 };
    this.tabular = false;
  }

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
        min-width: 0;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 12px;
        margin-bottom: 6px;
        font-size: 12px;
      }
      .modes {
        display: flex;
        padding: 2px;
        border-radius: 9px;
        background: var(--hover);
      }
      .modes button {
        height: 26px;
        border: 0;
        background: none;
        color: var(--muted);
      }
      .modes button[aria-pressed="true"] {
        background: var(--surface);
        color: var(--text);
        font-weight: 600;
        box-shadow: 0 0 0 1px var(--line);
      }
      .key {
        display: flex;
        align-items: center;
        gap: 6px;
        margin-left: auto;
        white-space: nowrap;
      }
      .bar {
        width: 64px;
        height: 8px;
        border-radius: 3px;
      }
      label {
        display: flex;
        gap: 6px;
        align-items: center;
        color: var(--muted);
        white-space: nowrap;
        cursor: pointer;
      }
      .room {
        position: relative;
        flex: 1;
        min-height: 0;
        overflow: auto;
        border-radius: 6px;
      }
      canvas {
        display: block;
        cursor: pointer;
      }
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
      .damage {
        padding: 10px 12px;
        border-radius: 8px;
        background: var(--warning-soft);
        color: var(--warning);
      }
    `,
  ];

  override firstUpdated(): void {
    this.watcher.observe(this.renderRoot.querySelector(".room")!);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.watcher.disconnect();
  }

  override willUpdate(changed: PropertyValues<{ explanation: Explanation; view: ViewState }>): void {
    const before = changed.get("view");
    const { view } = this;
    const same =
      before && before.matrix === view.matrix && before.colors === view.colors && before.template === view.template;
    if (!changed.has("explanation") && (!changed.has("view") || same)) return;
    this.high = this.largest();
    this.picture = null;
  }

  override render() {
    const { view, explanation } = this;
    const colors = matrixColors(view.colors);
    const stops = [0, 0.25, 0.5, 0.75, 1].map((at) => cssColor(colors, at)).join();
    const special = explanation.context.some((token) => token.special);
    return html`
      <header>
        <span class="modes" role="group" aria-label="What the matrix shows">
          ${MATRIX_MODES.map(
            (mode) => html`<button
              aria-pressed=${mode === view.matrix}
              title="${MODE_TITLES[mode]} (m)"
              @click=${() => this.ask("view-change", { matrix: mode })}
            >${MODE_NAMES[mode]}</button>`,
          )}
        </span>
        <label title="A table of the selected token's row"
          ><input
            type="checkbox"
            class="tabular"
            .checked=${this.tabular}
            @change=${(event: Event) => (this.tabular = (event.target as HTMLInputElement).checked)}
          />table</label
        >
        ${special
          ? html`<label title="Show the chat template's own tokens (t)"
              ><input
                type="checkbox"
                .checked=${view.template}
                @change=${(event: Event) => this.ask("view-change", { template: (event.target as HTMLInputElement).checked })}
              />template</label
            >`
          : nothing}
        <span class="key number">
          <span>0</span><span class="bar" style="background:linear-gradient(to right,${stops})"></span>
          <span>${valueText(this.high).replace(/\.0+$/, "")}</span><span class="muted">${MODE_UNITS[view.matrix]}</span>
        </span>
      </header>
      <div class="room">
        ${explanation.matrixDamage
          ? html`<div class="damage" role="status">The matrix is damaged: ${explanation.matrixDamage}.</div>`
          : this.tabular
            ? this.table()
            : html`<canvas
                tabindex="0"
                role="img"
                aria-label=${this.described()}
                @pointermove=${this.move}
                @pointerleave=${() => this.ask("hover-change", NO_HOVER)}
                @click=${this.pick}
                @keydown=${this.key}
                @blur=${() => this.ask("hover-change", NO_HOVER)}
              ></canvas>`}
      </div>
      ${this.hover.row !== null && this.hover.column !== null && this.layout ? this.tip() : nothing}
    `;
  }

  override updated(_changed: PropertyValues): void {
    const canvas = this.renderRoot.querySelector("canvas");
    if (!canvas || !this.room.width) return;
    const { view, explanation } = this;
    const layout = layoutMatrix(explanation, view.template, this.room, LABEL_ROOM);
    this.layout = layout;
    canvas.style.width = `${layout.width}px`;
    canvas.style.height = `${layout.height}px`;
    const style = getComputedStyle(this);
    this.picture ??= paintMatrix(explanation, layout, view.matrix, this.high, matrixColors(view.colors));
    drawMatrix(prepareCanvas(canvas, layout.width, layout.height), this.picture, explanation, layout, {
      selected: view.token ?? 0,
      hovered: this.hover,
      text: style.getPropertyValue("--text"),
      muted: style.getPropertyValue("--muted"),
      accent: style.getPropertyValue("--accent"),
      hatch: style.getPropertyValue("--hatch"),
      font: LABEL_FONT,
    });
  }

  /** Overlap has a scale of its own; the other modes end at their largest value. */
  private largest(): number {
    const { explanation, view } = this;
    if (view.matrix === "relevance" || !explanation.matrix) return 1;
    const size = explanation.matrix.length / MATRIX_MODES.length;
    const at = MATRIX_MODES.indexOf(view.matrix) * size;
    return explanation.matrix.subarray(at, at + size).reduce((best, value) => (value > best ? value : best), 0);
  }

  private table() {
    const { explanation, view } = this;
    const row = view.token ?? 0;
    const columns = explanation.context.flatMap((token, j) =>
      j < explanation.promptLength + row && (view.template || !token.special) ? [j] : [],
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

  private tip() {
    const { layout, hover } = this;
    const at = {
      x: layout!.left + (layout!.columns.indexOf(hover.column!) + 1) * layout!.cellWidth,
      y: layout!.top + (layout!.rows.indexOf(hover.row!) + 1) * layout!.cellHeight,
    };
    return html`<mmx-matrix-tip
      .explanation=${this.explanation}
      .row=${hover.row!}
      .column=${hover.column!}
      .at=${at}
    ></mmx-matrix-tip>`;
  }

  private described(): string {
    const { explanation, view } = this;
    const row = view.token ?? 0;
    const relevance = explanation.context
      .map((_, j) => ({ j, value: matrixValue(explanation, view.matrix, row, j) }))
      .filter(({ j, value }) => !Number.isNaN(value) && !explanation.context[j]!.special)
      .sort((a, b) => b.value - a.value);
    const strongest = relevance.slice(0, 3).map(({ j, value }) => `${this.word(j)} ${valueText(value)}`);
    return `${MODE_NAMES[view.matrix]}. Row ${this.word(explanation.promptLength + row)}: ${strongest.join(", ") || "no context"}`;
  }

  private word(j: number): string {
    return tokenText(this.explanation.context[j]?.text ?? "");
  }

  private move(event: PointerEvent): void {
    const place = this.layout && placeAt(this.layout, event.offsetX, event.offsetY);
    const hover = place ?? NO_HOVER;
    if (hover.row !== this.hover.row || hover.column !== this.hover.column) this.ask("hover-change", hover);
  }

  private pick(event: MouseEvent): void {
    const place = this.layout && placeAt(this.layout, event.offsetX, event.offsetY);
    if (place) this.ask("token-select", place.row);
  }

  /** On the matrix the arrows walk its cells: up and down the rows, left and right the columns. */
  private key(event: KeyboardEvent): void {
    const { layout } = this;
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!way || !layout) return;
    event.preventDefault();
    event.stopPropagation();
    const step = (list: number[], from: number, by: number) =>
      list[Math.min(list.length - 1, Math.max(0, list.indexOf(from) + by))]!;
    const row = step(layout.rows, this.view.token ?? 0, way[0]!);
    const column = step(layout.columns, this.hover.column ?? layout.columns[0]!, way[1]!);
    if (row !== this.view.token) this.ask("token-select", row);
    this.ask("hover-change", { row, column });
  }
}
customElements.define("mmx-relevance-matrix", RelevanceMatrix);
