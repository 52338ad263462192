// The selected token over all steps (columns) and scales (rows), and what changed as numbers.
import { css, html, nothing, svg } from "lit";
import { drawMap, drawPicture } from "./draw_map";
import { columnAt, filmPlaces } from "./film_places";
import type { Rect } from "./geometry";
import { type Explanation, type Layer, shownLayers } from "../data/explanation";
import { sameLayer, spanMap } from "./heatmap";
import type { ImageState } from "../data/images";
import { type Peaks, rangeOf } from "./range";
import { type Series, seriesOf } from "./series";
import { imageRect } from "./zoom";
import type { ViewState } from "../view/state";
import { cardText, layerIndex, layerName, tokensAt } from "../view/selection";
import { probabilityText, stepText, valueText } from "../view/text";
import { unitsText } from "../words/units";
import { PanelElement, controls, prepareCanvas, unattributed } from "../view/base";

const [LOWEST, HIGHEST] = [28, 46];
/** Of the heading, the steps, and three of the curves. */
const ROOM_BESIDE = 164;
const [NARROWEST, WIDEST] = [34, 74];
const GAP = 4;
const LABEL_ROOM = 142;
const SPARK_HEIGHT = 26;
const LEADER_HEIGHT = 16;

export class Filmstrip extends PanelElement {
  static override properties = {
    film: unattributed,
    steps: unattributed,
    total: { type: Number },
    image: unattributed,
    view: unattributed,
    other: unattributed,
    held: unattributed,
    dark: { type: Boolean },
  };
  /** One entry per step; null until it has come, undefined where it is damaged. */
  declare film: (Explanation | null | undefined)[];
  declare steps: readonly number[];
  /** How many steps there are, shown or not. */
  declare total: number;
  declare image: ImageState;
  declare view: ViewState;
  /** B's step, where B is of the same run. */
  declare other: number | null;
  /** What its colours are held to. */
  declare held: Peaks;
  declare dark: boolean;

  static override styles = [
    controls,
    css`
      :host {
        display: block;
        position: relative;
        min-width: 0;
        min-height: 0;
        overflow: auto;
      }
      h2 {
        position: sticky;
        left: 0;
        margin-bottom: 8px;
      }
      .grid {
        display: grid;
        grid-template-columns: ${LABEL_ROOM - 8}px max-content;
        gap: ${GAP}px 8px;
        align-items: center;
        width: max-content;
        min-width: 100%;
      }
      .label {
        position: sticky;
        z-index: 1;
        left: 0;
        align-self: stretch;
        align-content: center;
        padding-right: 4px;
        background: var(--background);
        font-size: 11px;
        color: var(--muted);
        white-space: nowrap;
      }
      .label strong {
        color: var(--text);
      }
      .steps {
        display: flex;
      }
      .steps button {
        flex: none;
        width: var(--cell);
        height: 24px;
        padding: 0;
        overflow: hidden;
        font-size: 11px;
        text-overflow: ellipsis;
      }
      .steps [aria-current="true"] {
        border-color: var(--side-a);
        background: var(--side-a);
        color: var(--on-side);
      }
      .steps .b {
        border-color: var(--side-b);
        box-shadow: inset 0 0 0 1px var(--side-b);
      }
      canvas {
        display: block;
        cursor: pointer;
      }
      .scales {
        position: sticky;
        z-index: 1;
        left: 0;
        display: grid;
        justify-items: stretch;
        background: var(--background);
        grid-auto-rows: var(--row);
        gap: ${GAP}px;
        align-items: center;
      }
      .chosen {
        font-weight: 600;
        color: var(--text);
      }
      svg {
        display: block;
        overflow: visible;
      }
      polyline,
      .leaders path {
        fill: none;
        stroke: var(--muted);
        stroke-width: 1.5;
      }
      circle {
        fill: var(--muted);
      }
      circle.now {
        fill: var(--side-a);
      }
      circle.other {
        fill: var(--side-b);
      }
    `,
  ];

  override render() {
    const known = this.film.find((entry) => entry);
    if (!known) return html`<p class="muted">Reading the steps…</p>`;
    const width = this.cellWidth(known);
    const places = this.places(width);
    const shown = this.film[this.steps.indexOf(this.view.step ?? NaN)] ?? known;
    const word = unitsText(shown, tokensAt(this.view, shown), this.view.unit);
    const layers = this.layers();
    const count = (kind: null | undefined, text: string) => {
      const found = this.film.filter((entry) => entry === kind).length;
      return found ? ` · ${found} ${text}` : "";
    };
    const part = this.steps.length < this.total ? `${this.steps.length} of ${this.total}` : this.total;
    const labels = stepLabels(this.steps);
    const selected = layerName(shownLayers(shown)[layerIndex(this.view, shown)]!);
    return html`
      <h2>“${word}” over ${part} steps × ${layers.filter(({ agreement }) => agreement).length} scales${count(null, "to come")}${count(undefined, "damaged")}</h2>
      <div class="grid number" style="--cell:${width}px;--row:${this.rowHeight(layers.length)}px">
        <span class="label">step</span>
        <div class="steps" role="group" aria-label="Steps">
          ${this.steps.map(
            (step, i) => html`<button
              style="margin-left:${places[i]! - (i ? places[i - 1]! + width : 0)}px"
              class=${step === this.other ? "b" : ""}
              aria-current=${step === this.view.step}
              title="Step ${stepText(step)}${step === this.other ? " (B)" : ""}; Shift and click compares with it"
              @click=${(event: MouseEvent) => this.choose(step, event.shiftKey)}
            >${labels[i]}</button>`,
          )}
        </div>
        ${this.leaders(places, width)}
        <div class="scales">
          ${layers.map(
            (layer) => html`<span class="label ${layerName(layer) === selected ? "chosen" : ""}">${cardText(shown, layer)}</span>`,
          )}
        </div>
        <canvas role="img" aria-label="Heatmaps of “${word}”: ${layers.length} scales at ${this.steps.length} steps" @click=${this.pick}></canvas>
        ${seriesOf(this.film, this.view).map((series) => this.sparkline(series, places, width))}
      </div>
    `;
  }

  /** From where each step lies in time to its column, where columns had to make room for each other. */
  private leaders(places: readonly number[], cell: number) {
    const extent = places.at(-1)! + cell;
    const [first, last] = [this.steps[0]!, this.steps.at(-1)!];
    const lies = this.steps.map((step) => cell / 2 + ((extent - cell) * (step - first)) / (last - first || 1));
    const moved = lies.some((x, i) => Math.abs(x - places[i]! - cell / 2) > 1);
    if (!moved) return nothing;
    return html`<span class="label">in time</span>
      <svg class="leaders" width=${extent} height=${LEADER_HEIGHT} aria-hidden="true">
        <path d="M${cell / 2},.5H${extent - cell / 2}${lies.map((x, i) => `M${x.toFixed(1)},0V4L${places[i]! + cell / 2},${LEADER_HEIGHT}`).join("")}" />
      </svg>`;
  }

  /** The step that was last scrolled to. */
  private revealed: number | null = null;

  override firstUpdated(): void {
    this.watchSize();
  }

  override updated(): void {
    if (this.view.step !== this.revealed) this.reveal();
    const canvas = this.renderRoot.querySelector("canvas");
    const known = this.film.find((entry) => entry);
    if (!canvas || !known) return;
    const cell = this.cellWidth(known);
    const layers = this.layers();
    const places = this.places(cell);
    const row = this.rowHeight(layers.length);
    const [width, height] = [places.at(-1)! + cell, layers.length * (row + GAP) - GAP];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = prepareCanvas(canvas, width, height);
    const style = getComputedStyle(this);
    const highs = layers.map((layer) => this.highOver(layer));
    this.film.forEach((explanation, column) => {
      const x = places[column]!;
      for (const [at, wanted] of layers.entries()) {
        const box = { x, y: at * (row + GAP), width: cell, height: row };
        context.fillStyle = style.getPropertyValue("--stage");
        context.fillRect(box.x, box.y, box.width, box.height);
        const layer = explanation && sameLayer(explanation, wanted);
        if (layer) this.drawCell(context, explanation, layer, box, highs[at]!, style.getPropertyValue("--hatch"));
      }
      const step = this.steps[column];
      const mark = step === this.view.step ? "--side-a" : step === this.other ? "--side-b" : "";
      if (!mark) return;
      context.strokeStyle = style.getPropertyValue(mark);
      context.lineWidth = 2;
      context.strokeRect(x + 1, 1, cell - 2, height - 2);
    });
  }

  /** Only sideways: scrollIntoView would move the page as well. */
  private reveal(): void {
    const button = this.renderRoot.querySelector<HTMLElement>('[aria-current="true"]');
    if (!button) return;
    this.revealed = this.view.step;
    const right = button.offsetLeft + button.offsetWidth - this.clientWidth;
    const left = button.offsetLeft - LABEL_ROOM;
    this.scrollLeft = Math.min(left, Math.max(right, this.scrollLeft));
  }

  private drawCell(
    context: CanvasRenderingContext2D,
    explanation: Explanation,
    layer: Layer,
    box: Rect,
    high: number,
    hatch: string,
  ): void {
    const { bitmap } = this.image;
    const size = bitmap ?? explanation.image ?? { width: layer.cols, height: layer.rows };
    const fitted = imageRect(box, size);
    const rect = { ...fitted, x: fitted.x + box.x, y: fitted.y + box.y };
    if (bitmap) drawPicture(context, bitmap, rect, this.view.grey);
    const map = spanMap(layer, tokensAt(this.view, explanation), this.view.combine);
    if (!map) return;
    const own = this.view.range === "map" || this.view.range === "step";
    const range = own ? rangeOf(explanation, layer, map, this.view) : { low: 0, high };
    drawMap(context, map, rect, { range, colors: this.view.colors, opacity: this.view.opacity, smooth: this.view.smooth, hatch });
  }

  /** A row per scale of any step, since steps may have been logged at others; the aggregate and what was used last. */
  private layers(): Layer[] {
    const known = this.film.flatMap((explanation) => (explanation ? shownLayers(explanation) : []));
    const found = [...new Map(known.map((layer) => [layerName(layer), layer])).values()];
    const place = ({ factor, used }: Layer) => (used ? Infinity : (factor ?? Number.MAX_VALUE));
    return found.sort((a, b) => place(a) - place(b));
  }

  /** One range over all steps, so that growing is seen as growing. */
  private highOver(wanted: Layer): number {
    const highs = this.film.map((explanation) => {
      const layer = explanation && sameLayer(explanation, wanted);
      const map = layer && spanMap(layer, tokensAt(this.view, explanation!), this.view.combine);
      return layer ? rangeOf(explanation!, layer, map ?? null, this.view, this.held).high : 0;
    });
    return Math.max(...highs);
  }

  private sparkline({ name, term, values, high }: Series, places: readonly number[], cell: number) {
    const finite = values.filter(Number.isFinite);
    const [low, top] = high === null ? [Math.min(...finite), Math.max(...finite)] : [0, high];
    const x = (i: number) => places[i]! + cell / 2;
    const y = (value: number) => SPARK_HEIGHT - 5 - (SPARK_HEIGHT - 10) * (top > low ? (value - low) / (top - low) : 0.5);
    const points = values.flatMap((value, i) => (Number.isFinite(value) ? [{ i, value }] : []));
    const now = values[this.steps.indexOf(this.view.step ?? NaN)] ?? NaN;
    const text = high === null ? valueText(now) : probabilityText(now);
    return html`
      <span class="label"><span tabindex="0" data-term=${term}>${name}</span> <strong>${text}</strong></span>
      <svg width=${places.at(-1)! + cell} height=${SPARK_HEIGHT} role="img" aria-label="${name} over the steps: ${values.map((value) => probabilityText(value)).join(", ")}">
        <polyline points=${points.map(({ i, value }) => `${x(i)},${y(value).toFixed(1)}`).join(" ")} />
        ${points.map(({ i, value }) => {
          const step = this.steps[i];
          const kind = step === this.view.step ? "now" : step === this.other ? "other" : "";
          return svg`<circle class=${kind} cx=${x(i)} cy=${y(value).toFixed(1)} r=${kind ? 4 : 2.2}><title>${name}, step ${stepText(step!)}: ${valueText(value)}</title></circle>`;
        })}
      </svg>
    `;
  }

  private places(cell: number): number[] {
    return filmPlaces(this.steps, cell, GAP, this.clientWidth - LABEL_ROOM - GAP);
  }

  private cellWidth(explanation: Explanation): number {
    const size = this.image.bitmap ?? explanation.image ?? { width: 1, height: 1 };
    const fitting = (this.clientWidth - LABEL_ROOM) / this.steps.length - GAP;
    const natural = Math.min(WIDEST, (HIGHEST * size.width) / size.height);
    return Math.floor(Math.max(NARROWEST, Math.min(natural, fitting)));
  }

  /** As high as leaves the first curves in view. */
  private rowHeight(layers: number): number {
    return Math.floor(Math.max(LOWEST, Math.min(HIGHEST, (this.clientHeight - ROOM_BESIDE) / layers - GAP)));
  }

  private pick(event: MouseEvent): void {
    const known = this.film.find((entry) => entry)!;
    const cell = this.cellWidth(known);
    const step = this.steps[columnAt(this.places(cell), cell, event.offsetX)];
    const layers = this.layers();
    const layer = layers[Math.floor(event.offsetY / (this.rowHeight(layers.length) + GAP))];
    if (step === undefined || !layer) return;
    if (!event.shiftKey) this.ask("view-change", { step, layer: layerName(layer) });
    else this.choose(step, true);
  }

  private choose(step: number, compare: boolean): void {
    if (!compare) this.ask("view-change", { step });
    else {
      const mode = this.view.compare === "single" ? "side" : this.view.compare;
      this.ask("view-change", { compare: mode, otherRun: this.view.run, otherStep: step });
    }
  }
}
customElements.define("mmx-filmstrip", Filmstrip);

/** "12.5K": room is short above a thumbnail; as many digits as it takes to tell them apart. */
function stepLabels(steps: readonly number[]): string[] {
  const compact = (digits: number) => (step: number) =>
    Math.abs(step) < 10_000 ? stepText(step) : step.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: digits });
  const labels = [0, 1, 2].map((digits) => steps.map(compact(digits)));
  return labels.find((texts) => new Set(texts).size === texts.length) ?? labels.at(-1)!;
}
