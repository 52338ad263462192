// One card per scale and one for all of them together; a slider moves through the cards. A scale
// that would have said another word is marked.
import { css, html, nothing } from "lit";
import { drawMap, drawPicture } from "./draw_map";
import { type Explanation, type Layer, shownLayers } from "../data/explanation";
import { sameLayer, spanMap } from "./heatmap";
import type { ImageState } from "../data/images";
import { type Peaks, rangeOf } from "./range";
import { imageRect } from "./zoom";
import type { ViewState } from "../view/state";
import { cardText, layerIndex, selectedTokens } from "../view/selection";
import { probabilityText, tokenText } from "../view/text";
import { agreeing, firstOther, probabilityOf } from "../words/figures";
import type * as Used from "../words/used";
import { unitsText } from "../words/units";
import { PanelElement, controls, prepareCanvas, unattributed } from "../view/base";

const THUMBNAIL_HEIGHT = 54;
const LEAST_WIDTH = 84;
const GAP_PX = 6;
const WHEEL_STEP = 60;

export class ScaleScrubber extends PanelElement {
  static override properties = {
    explanation: unattributed,
    other: unattributed,
    held: unattributed,
    image: unattributed,
    view: unattributed,
    dark: { type: Boolean },
    used: { state: true },
  };
  declare explanation: Explanation;
  /** What its colours are held to. */
  declare held: Peaks;
  /** B and the tokens that stand for A's, while something is compared. */
  declare other: { explanation: Explanation; tokens: number[] } | null;
  declare image: ImageState;
  declare view: ViewState;
  declare dark: boolean;

  /** Tells whether what was used is what is seen; loaded once there is something used. */
  used: typeof Used | null = null;

  private frame = 0;
  private wheeled = 0;
  private revealed = -1;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        flex-direction: column;
        gap: 2px;
        min-width: 0;
        min-height: 0;
        overflow: auto;
        padding: 2px;
        margin: -2px;
      }
      .cards {
        display: grid;
        grid-auto-flow: column;
        grid-auto-columns: minmax(${LEAST_WIDTH}px, 1fr);
        gap: ${GAP_PX}px;
      }
      .slider {
        /* The first and last stops stand at the middle of the first and last cards. */
        --card: calc((100% - (var(--count) - 1) * ${GAP_PX}px) / var(--count));
        position: relative;
        flex: none;
        height: 18px;
        min-width: calc(var(--count) * ${LEAST_WIDTH + GAP_PX}px - ${GAP_PX}px);
      }
      input[type="range"] {
        position: absolute;
        left: calc(var(--card) / 2 - 7px);
        width: calc(100% - var(--card) + 14px);
        height: 18px;
      }
      .card {
        display: flex;
        flex-direction: column;
        gap: 3px;
        height: auto;
        min-width: 0;
        padding: 5px 5px 4px;
        border-radius: 9px;
        text-align: left;
        line-height: 16px;
      }
      .card:only-child {
        max-width: 204px;
        max-height: 124px;
      }
      .card[aria-pressed="true"] {
        border-color: var(--accent);
        box-shadow: inset 0 0 0 1px var(--accent);
        background: var(--accent-soft);
      }
      canvas {
        flex: none;
        width: 100%;
        height: ${THUMBNAIL_HEIGHT}px;
        border-radius: 5px;
        background: var(--stage);
      }
      .texts {
        display: grid;
        min-width: 0;
        padding: 0 2px;
        font-size: 12px;
      }
      .texts span {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .texts small {
        font-size: 11px;
        color: var(--muted);
      }
      .b {
        color: var(--side-b);
      }
      .differs .verdict {
        color: var(--warning);
      }
      .differs {
        border-color: var(--warning);
      }
      /* Beside a stage that is wide but not high the cards stand in a column. */
      @media (min-width: 621px) and (max-width: 980px) {
        :host {
          flex-direction: row;
          gap: 6px;
        }
        .cards {
          flex: 1;
          grid-auto-flow: row;
          grid-auto-columns: auto;
          grid-auto-rows: minmax(62px, 1fr);
          height: max-content;
          min-height: 100%;
        }
        .card {
          flex-direction: row;
          align-items: center;
          gap: 8px;
        }
        canvas {
          width: 68px;
        }
        .texts {
          flex: 1;
        }
        .slider {
          width: 16px;
          height: auto;
          min-width: 0;
          min-height: calc(var(--count) * ${62 + GAP_PX}px - ${GAP_PX}px);
        }
        input[type="range"] {
          top: calc(var(--card) / 2 - 7px);
          left: 0;
          width: 16px;
          height: calc(100% - var(--card) + 14px);
          writing-mode: vertical-lr;
        }
        input[type="range"]::-webkit-slider-runnable-track {
          width: 3px;
          height: 100%;
        }
        input[type="range"]::-webkit-slider-thumb {
          margin: 0 -5.5px;
        }
      }
    `,
  ];

  override firstUpdated(): void {
    this.watchSize();
  }

  override willUpdate(): void {
    if (this.explanation.used && !this.used) void import("../words/behind").then((part) => (this.used = part), () => undefined);
  }

  override render() {
    const layers = shownLayers(this.explanation);
    const selected = layerIndex(this.view, this.explanation);
    return html`
      <div class="slider" style="--count:${layers.length}" ?hidden=${layers.length < 2}>
        <input
          type="range"
          min="0"
          max=${layers.length - 1}
          .value=${String(selected)}
          aria-label="Scale"
          aria-valuetext=${this.valueText(selected)}
          @input=${(event: Event) => this.ask("layer-select", Number((event.target as HTMLInputElement).value))}
        />
      </div>
      <div class="cards" role="group" aria-label="Scales" @wheel=${this.wheel}>
        ${layers.map((layer, i) => this.card(layer, i, i === selected))}
      </div>
    `;
  }

  override updated(): void {
    const selected = layerIndex(this.view, this.explanation);
    // Not at every change: it makes the browser lay the page out at once.
    if (selected !== this.revealed) this.reveal();
    this.revealed = selected;
    // Once per frame: the stage is what is looked at, and comes first.
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  private draw(): void {
    this.frame = 0;
    const canvases = this.renderRoot.querySelectorAll("canvas");
    shownLayers(this.explanation).forEach((layer, i) => this.drawThumbnail(canvases[i]!, layer));
  }

  /** Where the cards do not all fit, bring the selected one into view (and only them: not the page). */
  private reveal(): void {
    const card = this.renderRoot.querySelector<HTMLElement>('[aria-pressed="true"]')!;
    const [home, box] = [this.getBoundingClientRect(), card.getBoundingClientRect()];
    this.scrollLeft += Math.max(0, box.right - home.right + 2) - Math.max(0, home.left - box.left + 2);
    this.scrollTop += Math.max(0, box.bottom - home.bottom + 2) - Math.max(0, home.top - box.top + 2);
  }

  private card(layer: Layer, i: number, selected: boolean) {
    const verdict = this.verdict(layer);
    return html`
      <button
        class="card ${verdict.differs ? "differs" : ""}"
        aria-pressed=${selected}
        tabindex="-1"
        data-scale-index=${i}
        title=${layer.factor === null ? nothing : verdict.text}
        data-term=${layer.used ? "used" : layer.factor === null ? (this.explanation.occlusion ? "lost" : "msea") : "agreement"}
        @click=${() => this.ask("layer-select", i)}
      >
        <canvas aria-hidden="true"></canvas>
        <span class="texts number">
          <span><strong>${cardText(this.explanation, layer)}</strong> <small>${layer.agreement ? gridText(layer) : ""}</small></span>
          <span>${this.theirs(layer) ?? verdict.figure}</span>
          <span class="verdict ${verdict.differs ? "" : "muted"}">${verdict.text}</span>
        </span>
      </button>
    `;
  }

  /** B's probability, or how many of its scales agree, before A's. */
  private theirs(layer: Layer) {
    const { other } = this;
    if (!other?.tokens.length) return null;
    const { explanation, tokens } = other;
    const twin = sameLayer(explanation, layer);
    if (!twin?.agreement || !layer.agreement) return null;
    const token = firstOther(twin.agreement, tokens);
    const says = token === undefined ? "the same word" : `“${tokenText(twin.agreement.top[token]?.text ?? "?")}”`;
    const own = probabilityOf(layer.agreement, selectedTokens(this.view, this.explanation));
    const [before, now] = [probabilityOf(twin.agreement, tokens), own].map(probabilityText);
    return html`<span class="b" title="B would say ${says} at this scale">${before}</span> → ${now}`;
  }

  private verdict(layer: Layer): { figure: string; text: string; differs: boolean } {
    if (layer.damage) return { figure: "", text: "damaged", differs: true };
    const tokens = selectedTokens(this.view, this.explanation);
    if (layer.used) {
      const use = this.used?.useOf(this.explanation, tokens, this.held);
      return use ? { figure: `${use.most.toFixed(1)} nats`, text: this.used!.USE_NAMES[use.kind], differs: use.differs } : { figure: "", text: "", differs: false };
    }
    if (layer.agreement) {
      const figure = `p ${probabilityText(probabilityOf(layer.agreement, tokens))}`;
      const token = firstOther(layer.agreement, tokens);
      if (token === undefined) return { figure, text: "same word", differs: false };
      const { rank, top } = layer.agreement;
      return { figure, text: `rank ${rank[token]! + 1}: ${tokenText(top[token]?.text ?? "?")}`, differs: true };
    }
    const [agree, all] = agreeing(this.explanation, tokens);
    const text = this.other?.tokens.length ? `${agreeing(this.other.explanation, this.other.tokens)[0]} → ${agree} of ${all}` : `${agree} of ${all} agree`;
    return { figure: gridText(layer), text, differs: false };
  }

  private valueText(selected: number): string {
    const { layers } = this.explanation;
    const layer = shownLayers(this.explanation)[selected]!;
    const token = this.view.token ?? 0;
    const length = this.explanation.grounding.length;
    const word = unitsText(this.explanation, selectedTokens(this.view, this.explanation), this.view.unit);
    const name = layer.factor === null ? cardText(this.explanation, layer) : `scale ${selected + 1} of ${layers.length - 1}`;
    return `token ${token + 1} of ${length}: ${word}, ${name}, ${layer.rows} by ${layer.cols}, ${this.verdict(layer).text}`;
  }

  private drawThumbnail(canvas: HTMLCanvasElement, layer: Layer): void {
    const box = { width: canvas.clientWidth, height: THUMBNAIL_HEIGHT };
    const context = prepareCanvas(canvas, box.width, box.height);
    const { bitmap } = this.image;
    const size = bitmap ?? this.explanation.image ?? { width: layer.cols, height: layer.rows };
    const rect = imageRect(box, size);
    if (bitmap) drawPicture(context, bitmap, rect, this.view.grey);
    const map = spanMap(layer, selectedTokens(this.view, this.explanation), this.view.combine);
    if (!map) return;
    drawMap(context, map, rect, {
      range: rangeOf(this.explanation, layer, map, this.view, this.held),
      colors: this.view.colors,
      opacity: this.view.opacity,
      smooth: this.view.smooth,
      hatch: getComputedStyle(this).getPropertyValue("--hatch"),
    });
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.wheeled += event.deltaY;
    if (Math.abs(this.wheeled) < WHEEL_STEP) return;
    const by = Math.sign(this.wheeled);
    this.wheeled = 0;
    this.ask("layer-select", layerIndex(this.view, this.explanation) + by);
  }
}

function gridText(layer: Layer): string {
  return `${layer.rows}×${layer.cols}`;
}
customElements.define("mmx-scale-scrubber", ScaleScrubber);
