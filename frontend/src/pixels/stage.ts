// The image under a heatmap: zoom, pan, the raw value under the pointer, and regions to ask about.
import { type PropertyValues, css, html, nothing } from "lit";
import { drawCross, drawGrid, drawMap, drawPicture, drawRegion } from "./draw_map";
import { type Point, type Region, cellRegion, regionBetween } from "./geometry";
import { PointerGestures, wheelZoom } from "./gesture";
import type { StagePicture } from "./stage_picture";
import type * as Steer from "./steer";
import { GRID_CELL_PX, WHOLE, type Zoom, follow, imagePoint, imageRect, panBy, stagePlane, zoomAt } from "./zoom";
import type { ViewState } from "../view/state";
import { valueText } from "../view/text";
import { PanelElement, controls, prepareCanvas, unattributed } from "../view/base";

const BUTTON_ZOOM = 1.5;
const KEY_PAN_PX = 40;

export class Stage extends PanelElement {
  static override properties = {
    picture: unattributed,
    view: unattributed,
    cursor: unattributed,
    badge: { type: String },
    side: { type: String, reflect: true },
    dark: { type: Boolean },
    drawn: { state: true },
    steering: { state: true },
  };
  declare picture: StagePicture;
  declare view: ViewState;
  /** Where the pointer is on the image, here or on the stage beside; null when it is on neither. */
  cursor: Point | null = null;
  /** What is compared: "A · step 300"; empty when nothing is. */
  badge = "";
  side: "a" | "b" | "" = "";
  declare dark: boolean;
  /** The region being drawn. */
  drawn: Region | null = null;
  /** Arrows move the region. */
  steering = false;

  private readonly gestures = new PointerGestures();
  /** Moves a region by keys; loaded when one begins. */
  private steer: typeof Steer | null = null;
  /** Where a region begins; null while the image is moved instead. */
  private corner: Point | null = null;

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
        touch-action: pan-y;
        cursor: crosshair;
      }
      .stage.zoomed {
        touch-action: none;
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
      .top {
        position: absolute;
        top: 10px;
        left: 10px;
        right: 10px;
        display: flex;
        flex-wrap: wrap;
        gap: 4px 6px;
        pointer-events: none;
      }
      .top .chip {
        position: static;
        max-width: 100%;
      }
      .alternative {
        background: var(--warning);
        color: var(--on-side);
        font-weight: 600;
      }
      .badge {
        flex: 0 0 auto;
        box-sizing: border-box;
        max-width: 100%;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
        padding: 3px 9px;
        border-radius: 12px;
        background: var(--side-a);
        color: var(--on-side);
        font-size: 12px;
        font-weight: 600;
        line-height: 18px;
      }
      :host([side="b"]) .top {
        flex-direction: row-reverse;
      }
      :host([side="b"]) .badge {
        background: var(--side-b);
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

  override firstUpdated(): void {
    this.watchSize();
    // One finger scrolls the page past a whole image; two are never the browser's.
    const stage = this.renderRoot.querySelector<HTMLElement>(".stage")!;
    stage.addEventListener("touchstart", (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });
  }

  override render() {
    const { picture, view } = this;
    const zoomed = view.zoom.factor > 1;
    return html`
      <div
        class="stage ${zoomed ? "zoomed" : ""}"
        tabindex="0"
        role="application"
        aria-roledescription="image"
        aria-label=${this.described()}
        @wheel=${this.wheel}
        @pointerdown=${this.press}
        @pointermove=${this.move}
        @pointerup=${this.release}
        @pointercancel=${this.cancel}
        @pointerleave=${this.leave}
        @dblclick=${this.reset}
        @keydown=${this.key}
        @blur=${() => (this.steering = false)}
      >
        <canvas class="image"></canvas>
        <canvas class="heatmap"></canvas>
        ${view.outline && picture.objects?.length
          ? html`<mmx-outline .objects=${picture.objects} .rect=${this.rect} .room=${this.size} .map=${picture.range.low < 0 || picture.alternative ? null : picture.map}></mmx-outline>`
          : nothing}
      </div>
      <span class="top">
        ${this.badge ? html`<span class="badge">${this.badge}</span>` : nothing}
        ${picture.caption ? html`<span part="caption" class="chip caption ${picture.alternative ? "alternative" : ""}">${picture.caption}</span>` : nothing}
      </span>
      ${this.steering ? html`<span class="chip reading">Arrows move the region, with Shift they size it. Enter keeps it, Esc drops it.</span>` : this.reading()}
      ${picture.trouble ? html`<div class="damage" role="status">${picture.trouble}</div>` : nothing}
      <span class="zoom">
        <button aria-label="Zoom out" title="Zoom out (−)" @click=${() => this.zoomBy(1 / BUTTON_ZOOM)}>−</button>
        ${zoomed
          ? html`<button class="number" title="Whole image (0)" @click=${this.reset}>${view.zoom.factor.toFixed(1)}×</button>`
          : nothing}
        <button aria-label="Zoom in" title="Zoom in (+)" @click=${() => this.zoomBy(BUTTON_ZOOM)}>+</button>
      </span>
    `;
  }

  override updated(changed: PropertyValues): void {
    if (!this.size.width) return;
    if (["picture", "view", "size"].some((name) => changed.has(name))) this.drawImage();
    this.drawHeatmap();
  }

  zoomBy(by: number, at = { x: this.size.width / 2, y: this.size.height / 2 }): void {
    this.look(zoomAt(this.plane, this.view.zoom, at, by));
  }

  reset(): void {
    this.look(WHOLE);
  }

  private look(zoom: Zoom): void {
    this.ask("view-change", { zoom });
  }

  private get plane() {
    return stagePlane(this.size, this.picture.size);
  }

  private get rect() {
    return imageRect(this.size, this.picture.size, this.view.zoom);
  }

  private drawImage(): void {
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>("canvas.image")!;
    const context = prepareCanvas(canvas, this.size.width, this.size.height);
    const { bitmap } = this.picture.image;
    if (bitmap) drawPicture(context, bitmap, this.rect, this.view.grey || this.picture.range.low < 0);
  }

  private drawHeatmap(): void {
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>("canvas.heatmap")!;
    const context = prepareCanvas(canvas, this.size.width, this.size.height);
    const { picture, view, rect } = this;
    const style = getComputedStyle(this);
    const { map } = picture;
    if (map) {
      drawMap(context, map, rect, {
        range: picture.range,
        colors: picture.colors,
        opacity: view.opacity,
        smooth: view.smooth,
        hatch: style.getPropertyValue("--hatch"),
      });
      if (view.zoom.factor > 1 && rect.width / map.cols >= GRID_CELL_PX) {
        drawGrid(context, map.rows, map.cols, rect, style.getPropertyValue("--grid"));
      }
    }
    const region = this.drawn ?? view.region;
    if (region) drawRegion(context, region, rect);
    if (this.cursor && this.side) drawCross(context, rect.x + this.cursor.x * rect.width, rect.y + this.cursor.y * rect.height);
  }

  private cellUnder(point: Point): number | null {
    const { map } = this.picture;
    if (!map || point.x < 0 || point.y < 0 || point.x >= 1 || point.y >= 1) return null;
    return Math.floor(point.y * map.rows) * map.cols + Math.floor(point.x * map.cols);
  }

  private described(): string {
    const { map } = this.picture;
    const caption = this.picture.caption || this.badge;
    if (!map) return `${caption}: no map`;
    const size = (i: number) => Math.abs(map.values[i] ?? NaN) || 0;
    const cell = map.values.reduce((best, _, i) => (size(i) > size(best) ? i : best), 0);
    return `Heatmap of ${caption}: strongest ${valueText(map.values[cell]!)} ${this.picture.unit} at ${this.placeText(cell)}`;
  }

  private placeText(cell: number): string {
    const { cols } = this.picture.map!;
    return `row ${Math.floor(cell / cols) + 1}, column ${(cell % cols) + 1}`;
  }

  private reading() {
    const cell = this.cursor && !this.drawn ? this.cellUnder(this.cursor) : null;
    if (cell === null) return nothing;
    return html`<span class="chip reading number"
      ><strong>${valueText(this.picture.map!.values[cell]!)}</strong> ${this.picture.unit} · ${this.placeText(cell)} · ${this.picture.layerText}</span
    >`;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.zoomBy(wheelZoom(event), { x: event.offsetX, y: event.offsetY });
  }

  /** A drag moves a zoomed image; on a whole one, or with Shift, it draws a region. Two fingers zoom. */
  private press(event: PointerEvent): void {
    if (event.button) return;
    const draws = !this.gestures.pressed && (this.view.zoom.factor === 1 || event.shiftKey);
    this.corner = draws ? this.pointAt(event) : null;
    this.drawn = null;
    this.gestures.press(event.pointerId, { x: event.offsetX, y: event.offsetY });
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
  }

  private move(event: PointerEvent): void {
    const at = this.pointAt(event);
    this.ask("cursor-change", at);
    const gesture = this.gestures.move(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (!gesture) return;
    if (this.corner) this.drawn = regionBetween(this.corner, at);
    else this.look(follow(this.plane, this.view.zoom, gesture));
  }

  private release(event: PointerEvent): void {
    const { drawn, gestures } = this;
    this.drawn = null;
    gestures.release(event.pointerId);
    if (event.button) return;
    if (!gestures.dragged) this.toggleCell(this.pointAt(event));
    else if (drawn && drawn.left < drawn.right && drawn.top < drawn.bottom) this.ask("view-change", { region: drawn });
  }

  private toggleCell(point: Point): void {
    const { map } = this.picture;
    if (this.cellUnder(point) === null || !map) return;
    const region = cellRegion(point.x, point.y, map.rows, map.cols);
    const again = JSON.stringify(region) === JSON.stringify(this.view.region);
    this.ask("view-change", { region: again ? null : region });
  }

  private cancel(event: PointerEvent): void {
    this.gestures.release(event.pointerId);
    this.drawn = null;
  }

  private pointAt(event: PointerEvent): Point {
    return imagePoint(this.rect, event.offsetX, event.offsetY);
  }

  private leave(): void {
    this.ask("cursor-change", null);
  }

  private async toggleSteering(): Promise<void> {
    this.steer ??= await import("./steer").catch(() => null);
    if (!this.steer || !this.picture.map) return;
    this.steering = !this.steering;
    this.ask("view-change", { region: this.view.region ?? this.steer.strongestCell(this.picture.map) });
  }

  /** With Shift the arrows move the image instead of the selection; after Enter, a region. */
  private key(event: KeyboardEvent): void {
    const { map } = this.picture;
    const region = this.steering && map && this.view.region && this.steer!.steered(this.view.region, event, map);
    if (region || (event.key === "Enter" && map)) {
      event.preventDefault();
      event.stopPropagation();
      return region ? this.ask("view-change", { region }) : void this.toggleSteering();
    }
    if (event.key === "Escape") this.steering = false;
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || !event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.look(panBy(this.plane, this.view.zoom, way[0]! * KEY_PAN_PX, way[1]! * KEY_PAN_PX));
  }
}
customElements.define("mmx-stage", Stage);
