// The sample's images, or a video's frames: which of them the selected tokens read from. One range
// for all, so that the brightest is the one.
import { css, html, nothing, svg } from "lit";
import { drawMap, drawPicture } from "../core/draw_map";
import { type Explanation, seenAt } from "../core/explanation";
import { spanMap } from "../core/heatmap";
import type { ImageState } from "../core/model";
import { rangeOf } from "../core/range";
import { imageRect } from "../core/stage_view";
import { type ViewState, INITIAL_VIEW, layerIndex, selectedTokens } from "../core/state";
import { PanelElement, controls, prepareCanvas } from "./base";

const THUMBNAIL = { width: 92, height: 58 };
const FRAME_MS = 600;

export class ImageStrip extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    images: { attribute: false },
    view: { attribute: false },
    dark: { type: Boolean },
    playing: { state: true },
  };
  declare explanation: Explanation;
  declare images: ImageState[];
  declare view: ViewState;
  /** Redraws on a change. */
  declare dark: boolean;
  declare playing: boolean;

  private timer = 0;

  constructor() {
    super();
    this.playing = false;
  }

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 10px;
        min-width: 0;
        font-size: 11px;
        color: var(--muted);
      }
      .strip {
        position: relative;
        display: flex;
        gap: 6px;
        overflow-x: auto;
        padding: 3px;
      }
      .strip button {
        flex: none;
        display: grid;
        gap: 2px;
        width: ${THUMBNAIL.width + 6}px;
        height: auto;
        padding: 3px 3px 2px;
        border-radius: 7px;
        color: inherit;
        text-align: left;
      }
      .strip button[aria-pressed="true"] {
        border-color: var(--accent);
        box-shadow: 0 0 0 1px var(--accent);
        color: var(--text);
      }
      canvas {
        width: ${THUMBNAIL.width}px;
        height: ${THUMBNAIL.height}px;
        border-radius: 4px;
      }
      .film button {
        padding-bottom: 14px;
      }
      .texts {
        display: flex;
        justify-content: space-between;
        padding: 0 2px;
        white-space: nowrap;
      }
      svg {
        position: absolute;
        left: 3px;
        bottom: 6px;
        height: 12px;
        pointer-events: none;
        overflow: visible;
      }
      polyline {
        fill: none;
        stroke: var(--accent);
        stroke-width: 2;
        stroke-linejoin: round;
      }
      circle {
        fill: var(--accent);
      }
    `,
  ];

  override render() {
    const { views } = this.explanation;
    const shares = views.map((_, i) => this.share(i));
    const text = Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
    const film = views.some(({ seconds }) => seconds.length);
    return html`
      ${film
        ? html`<button aria-pressed=${this.playing} aria-label="Play the video" title="Play the video" @click=${() => this.play(!this.playing)}>
            ${this.playing ? "❚❚" : "▶"}
          </button>`
        : nothing}
      <div class="strip ${film ? "film" : ""}" role="group" aria-label="Images of the sample">
        ${views.map(
          (_, i) => html`<button
            aria-pressed=${i === this.view.image}
            title="${Math.round(100 * shares[i]!)} % of what the selected token read is here (, and . move)"
            data-image-index=${i}
            @click=${() => this.choose(i)}
          >
            <canvas aria-hidden="true"></canvas>
            <span class="texts number"><span>${this.name(i)}</span><strong>${percent(shares[i]!)}</strong></span>
          </button>`,
        )}
        ${this.curve(shares)}
      </div>
      <span class="number" title="What the selected token read from words">text<br />${percent(text)}</span>
    `;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.play(false);
  }

  override updated(): void {
    const tokens = selectedTokens(this.view, this.explanation);
    const at = layerIndex(this.view, this.explanation);
    const shown = this.explanation.views.map((_, i) => seenAt(this.explanation, i));
    const beside = this.view.beside;
    const layers = shown.map((entry) => (beside !== null && entry.beside) || entry.layers[at]!);
    const maps = layers.map((layer) => spanMap(layer, layer.agreement || beside === null ? tokens : [beside], this.view.combine));
    const high = Math.max(...shown.map((entry, i) => rangeOf(entry, layers[i]!, maps[i]!, this.view).high));
    const hatch = getComputedStyle(this).getPropertyValue("--hatch");
    this.renderRoot.querySelectorAll("canvas").forEach((canvas, i) => {
      const context = prepareCanvas(canvas, THUMBNAIL.width, THUMBNAIL.height);
      const bitmap = this.images[i]?.bitmap;
      const layer = layers[i]!;
      const size = bitmap ?? shown[i]!.image ?? { width: layer.cols, height: layer.rows };
      const rect = imageRect(THUMBNAIL, size, INITIAL_VIEW.zoom);
      if (bitmap) drawPicture(context, bitmap, rect, this.view.grey);
      const { colors, opacity, smooth } = this.view;
      if (maps[i]) drawMap(context, maps[i], rect, { range: { low: 0, high }, colors, opacity, smooth, hatch });
    });
    this.renderRoot.querySelector('[aria-pressed="true"][data-image-index]')?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }

  /** How much of what the selected tokens read is in an image. */
  private share(image: number): number {
    const tokens = selectedTokens(this.view, this.explanation);
    const { share } = this.explanation.views[image]!;
    return tokens.reduce((sum, token) => sum + (share?.[token] ?? 0), 0) / tokens.length;
  }

  private name(image: number): string {
    const { seconds, picture } = this.explanation.views[image]!;
    if (!seconds.length) return `image ${picture + 1}`;
    const [first, last] = [seconds[0]!, seconds.at(-1)!].map((second) => String(+second.toFixed(2)));
    return first === last ? `${first} s` : `${first}–${last} s`;
  }

  /** Shares along a video's frames. */
  private curve(shares: number[]) {
    const { views } = this.explanation;
    const frames = [...views.keys()].filter((i) => views[i]!.seconds.length);
    if (frames.length < 2) return nothing;
    const step = THUMBNAIL.width + 6 + 8;
    const most = Math.max(...frames.map((i) => shares[i]!), 1e-6);
    const point = (i: number) => [(i + 0.5) * step, 11 - (10 * shares[i]!) / most] as const;
    return svg`<svg width=${views.length * step} aria-hidden="true">
      <polyline points=${frames.map((i) => point(i).join()).join(" ")}></polyline>
      ${frames.includes(this.view.image) ? svg`<circle cx=${point(this.view.image)[0]} cy=${point(this.view.image)[1]} r="3.5"></circle>` : nothing}
    </svg>`;
  }

  private choose(image: number): void {
    this.play(false);
    this.ask("view-change", { image });
  }

  private play(on: boolean): void {
    this.playing = on;
    window.clearInterval(this.timer);
    if (on) this.timer = window.setInterval(() => this.advance(), FRAME_MS);
  }

  /** To the video's next frame, from its last to its first. */
  private advance(): void {
    if (document.hidden || !window.innerHeight) return;
    const { views } = this.explanation;
    const frames = [...views.keys()].filter((i) => views[i]!.seconds.length);
    const next = frames.indexOf(this.view.image) + 1;
    this.ask("view-change", { image: frames[next % frames.length]! });
  }
}
customElements.define("mmx-image-strip", ImageStrip);

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
