// The image under the selected token's heatmap: zoom, pan, and the raw value under the pointer.
import { type PropertyValues, css, html, nothing } from "lit";
import { drawGrid, drawMap, drawPicture } from "../core/draw_map";
import { type Explanation, type Layer, answerToken, mapOf } from "../core/explanation";
import type { ImageState } from "../core/model";
import { rangeOf } from "../core/range";
import { GRID_CELL_PX, type Size, cellAt, imageRect, panBy, zoomAt } from "../core/stage_view";
import { type ViewState, INITIAL_VIEW, layerIndex } from "../core/state";
import { factorText, tokenText, valueText } from "../core/text";
import { PanelElement, controls, prepareCanvas } from "./base";

const WHEEL_ZOOM = 0.0018;
const BUTTON_ZOOM = 1.5;
const KEY_PAN_PX = 40;

export class Stage extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    image: { attribute: false },
    view: { attribute: false },
    dark: { type: Boolean },
    size: { state: true },
    pointer: { state: true },
  };
  declare explanation: Explanation;
  declare image: ImageState;
  declare view: ViewState;
  declare dark: boolean;
  declare size: Size;
  /** Where the pointer is, in the stage's pixels. */
  declare pointer: { x: number; y: number } | null;

  private dragged: { x: number; y: number } | null = null;
  private readonly watcher = new ResizeObserver(([entry]) => {
    const { width, height } = entry!.contentRect;
    if (width && height) this.size = { width, height };
  });

  constructor() {
    super();
    this.size = { width: 0, height: 0 };
    this.pointer = null;
  }

  static override styles = [
    controls,
    css`
      :host {
        display: block;
        position: relative;
        min-height: 0;
      }
      .stage {
        position: absolute;
        inset: 0;
        overflow: hidden;
        border-radius: 10px;
        background: var(--stage);
        touch-action: none;
        cursor: crosshair;
      }
      .stage.zoomed {
        cursor: grab;
      }
      canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
      }
      .chip {
        position: absolute;
        max-width: calc(100% - 20px);
        overflow: hidden;
        padding: 3px 9px;
        border-radius: 12px;
        background: rgb(20 21 23 / 0.78);
        color: #fff;
        font-size: 12px;
        line-height: 18px;
        text-overflow: ellipsis;
        white-space: nowrap;
        pointer-events: none;
      }
      .caption {
        top: 10px;
        left: 10px;
      }
      .reading {
        bottom: 10px;
        left: 10px;
      }
      .zoom {
        position: absolute;
        right: 10px;
        bottom: 10px;
        display: flex;
        overflow: hidden;
        border-radius: 13px;
        background: rgb(20 21 23 / 0.78);
      }
      .zoom button {
        height: 26px;
        min-width: 28px;
        padding: 0 7px;
        border: 0;
        border-radius: 13px;
        background: none;
        color: #fff;
        font-size: 12px;
      }
      .zoom button:hover {
        background: rgb(255 255 255 / 0.16);
      }
      .damage {
        position: absolute;
        inset: auto 10px 46px;
        padding: 8px 12px;
        border-radius: 8px;
        background: var(--warning-soft);
        color: var(--warning);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.watcher.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.watcher.disconnect();
  }

  private get layer(): Layer {
    return this.explanation.layers[layerIndex(this.view, this.explanation)]!;
  }

  private get imageSize(): Size {
    const known = this.image.bitmap ?? this.explanation.image;
    return known ? { width: known.width, height: known.height } : { width: this.layer.cols, height: this.layer.rows };
  }

  override render() {
    const zoomed = this.view.zoom.factor > 1;
    const trouble = this.layer.damage
      ? `This map is damaged: ${this.layer.damage}. The other scales can still be read.`
      : this.image.missing;
    return html`
      <div
        class="stage ${zoomed ? "zoomed" : ""}"
        tabindex="0"
        role="img"
        aria-label=${this.described()}
        @wheel=${this.wheel}
        @pointerdown=${this.press}
        @pointermove=${this.move}
        @pointerup=${this.release}
        @pointercancel=${this.release}
        @pointerleave=${this.leave}
        @dblclick=${this.reset}
        @keydown=${this.key}
      >
        <canvas class="image"></canvas>
        <canvas class="heatmap"></canvas>
      </div>
      <span class="chip caption">${this.caption()}</span>
      ${this.reading()}
      ${trouble ? html`<div class="damage" role="status">${trouble}</div>` : nothing}
      <span class="zoom">
        <button aria-label="Zoom out" title="Zoom out (−)" @click=${() => this.zoomBy(1 / BUTTON_ZOOM)}>−</button>
        ${zoomed
          ? html`<button class="number" title="Whole image (0)" @click=${this.reset}>${this.view.zoom.factor.toFixed(1)}×</button>`
          : nothing}
        <button aria-label="Zoom in" title="Zoom in (+)" @click=${() => this.zoomBy(BUTTON_ZOOM)}>+</button>
      </span>
    `;
  }

  override updated(changed: PropertyValues): void {
    if (!this.size.width) return;
    if (["explanation", "image", "view", "size"].some((name) => changed.has(name))) this.drawImage();
    if (changed.size > 1 || !changed.has("pointer")) this.drawHeatmap();
  }

  zoomBy(by: number, at = { x: this.size.width / 2, y: this.size.height / 2 }): void {
    this.ask("view-change", { zoom: zoomAt(this.size, this.imageSize, this.view.zoom, at, by) });
  }

  reset(): void {
    this.ask("view-change", { zoom: INITIAL_VIEW.zoom });
  }

  private drawImage(): void {
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>("canvas.image")!;
    const context = prepareCanvas(canvas, this.size.width, this.size.height);
    const { bitmap } = this.image;
    if (!bitmap) return;
    const rect = imageRect(this.size, this.imageSize, this.view.zoom);
    drawPicture(context, bitmap, rect, this.view.grey);
  }

  private drawHeatmap(): void {
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>("canvas.heatmap")!;
    const context = prepareCanvas(canvas, this.size.width, this.size.height);
    const { layer, explanation, view } = this;
    const token = view.token ?? 0;
    const values = mapOf(layer, token);
    if (!values) return;
    const rect = imageRect(this.size, this.imageSize, view.zoom);
    const style = getComputedStyle(this);
    drawMap(context, values, layer.rows, layer.cols, rect, {
      range: rangeOf(explanation, layer, token, view),
      colors: view.colors,
      opacity: view.opacity,
      smooth: view.smooth,
      hatch: style.getPropertyValue("--hatch"),
    });
    if (view.zoom.factor > 1 && rect.width / layer.cols >= GRID_CELL_PX) {
      drawGrid(context, layer.rows, layer.cols, rect, style.getPropertyValue("--grid"));
    }
  }

  private caption(): string {
    const word = tokenText(answerToken(this.explanation, this.view.token ?? 0)?.text ?? "");
    return `“${word}” · ${this.layerText()}`;
  }

  private layerText(): string {
    const { factor, rows, cols } = this.layer;
    return factor === null ? `all scales, ${rows}×${cols}` : `scale ${factorText(factor)}, ${rows}×${cols}`;
  }

  private described(): string {
    const values = mapOf(this.layer, this.view.token ?? 0);
    if (!values) return `${this.caption()}: no map`;
    const cell = values.reduce((best, value, i) => (value > (values[best] ?? -Infinity) ? i : best), 0);
    const { cols } = this.layer;
    const place = `row ${Math.floor(cell / cols) + 1}, column ${(cell % cols) + 1}`;
    return `Heatmap of ${this.caption()}: strongest ${valueText(values[cell]!)} logit at ${place}`;
  }

  private reading() {
    if (!this.pointer || this.dragged) return nothing;
    const { rows, cols } = this.layer;
    const rect = imageRect(this.size, this.imageSize, this.view.zoom);
    const cell = cellAt(rect, rows, cols, this.pointer.x, this.pointer.y);
    const values = mapOf(this.layer, this.view.token ?? 0);
    if (cell === null || !values) return nothing;
    const place = `row ${Math.floor(cell / cols) + 1}, column ${(cell % cols) + 1}`;
    return html`<span class="chip reading number"
      ><strong>${valueText(values[cell]!)}</strong> logit · ${place} · ${this.layerText()}</span
    >`;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY * WHEEL_ZOOM), { x: event.offsetX, y: event.offsetY });
  }

  private press(event: PointerEvent): void {
    if (this.view.zoom.factor === 1) return;
    this.dragged = { x: event.clientX, y: event.clientY };
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
  }

  private move(event: PointerEvent): void {
    this.pointer = { x: event.offsetX, y: event.offsetY };
    if (!this.dragged) return;
    const [dx, dy] = [event.clientX - this.dragged.x, event.clientY - this.dragged.y];
    this.dragged = { x: event.clientX, y: event.clientY };
    this.ask("view-change", { zoom: panBy(this.size, this.imageSize, this.view.zoom, dx, dy) });
  }

  private release(): void {
    this.dragged = null;
  }

  private leave(): void {
    this.pointer = null;
  }

  /** With Shift the arrows move the image instead of the selection. */
  private key(event: KeyboardEvent): void {
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || !event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    const zoom = panBy(this.size, this.imageSize, this.view.zoom, way[0]! * KEY_PAN_PX, way[1]! * KEY_PAN_PX);
    this.ask("view-change", { zoom });
  }
}
customElements.define("mmx-stage", Stage);
