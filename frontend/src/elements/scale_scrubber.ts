// One card per scale and one for all of them together; a slider moves through the cards. A scale
// that would have said another word is marked.
import { type PropertyValues, css, html } from "lit";
import { drawMap } from "../core/draw_map";
import { type Explanation, type Layer, answerToken, mapOf } from "../core/explanation";
import type { ImageState } from "../core/model";
import { rangeOf } from "../core/range";
import { imageRect } from "../core/stage_view";
import { type ViewState, INITIAL_VIEW, layerIndex } from "../core/state";
import { factorText, probabilityText, tokenText } from "../core/text";
import { PanelElement, controls, prepareCanvas } from "./base";

const THUMBNAIL = { width: 68, height: 60 };
const WHEEL_STEP = 60;

export class ScaleScrubber extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    image: { attribute: false },
    view: { attribute: false },
    dark: { type: Boolean },
  };
  declare explanation: Explanation;
  declare image: ImageState;
  declare view: ViewState;
  declare dark: boolean;

  private wheeled = 0;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        gap: 6px;
        min-height: 0;
        overflow-y: auto;
        padding: 2px;
        margin: -2px;
      }
      .cards {
        flex: 1;
        display: grid;
        grid-auto-rows: minmax(72px, 1fr);
        gap: 6px;
        min-width: 0;
      }
      .slider {
        position: relative;
        flex: none;
        width: 16px;
        /* The first and last stops stand at the middle of the first and last cards. */
        --card: calc((100% - (var(--count) - 1) * 6px) / var(--count));
      }
      input[type="range"] {
        position: absolute;
        top: calc(var(--card) / 2 - 7px);
        bottom: calc(var(--card) / 2 - 7px);
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
      .card {
        display: flex;
        align-items: center;
        gap: 10px;
        height: 100%;
        min-width: 0;
        max-height: 112px;
        padding: 5px 8px 5px 6px;
        border-radius: 10px;
        text-align: left;
        line-height: 17px;
      }
      .card[aria-pressed="true"] {
        border-color: var(--accent);
        box-shadow: inset 0 0 0 1px var(--accent);
        background: var(--accent-soft);
      }
      canvas {
        flex: none;
        width: ${THUMBNAIL.width}px;
        height: ${THUMBNAIL.height}px;
        border-radius: 5px;
        background: var(--stage);
      }
      .texts {
        flex: 1;
        display: grid;
        min-width: 0;
        font-size: 12px;
      }
      .texts span {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      strong {
        font-size: 13px;
      }
      .differs .verdict {
        color: var(--warning);
      }
      .differs strong::after {
        content: "≠";
        float: right;
        color: var(--warning);
      }
      @media (max-width: 620px) {
        :host {
          flex-direction: column-reverse;
          overflow-x: auto;
        }
        .cards {
          grid-auto-flow: column;
          grid-auto-columns: minmax(104px, 1fr);
          grid-auto-rows: auto;
        }
        .card {
          flex-direction: column;
          max-height: none;
          text-align: center;
        }
        .slider {
          display: none;
        }
      }
    `,
  ];

  override render() {
    const { layers } = this.explanation;
    const selected = layerIndex(this.view, this.explanation);
    return html`
      <div class="slider" style="--count:${layers.length}">
        <input
          type="range"
          min="0"
          max=${layers.length - 1}
          .value=${String(selected)}
          aria-label="Scale"
          aria-orientation="vertical"
          aria-valuetext=${this.valueText(selected)}
          @input=${(event: Event) => this.ask("layer-select", Number((event.target as HTMLInputElement).value))}
        />
      </div>
      <div class="cards" role="group" aria-label="Scales" @wheel=${this.wheel}>
        ${layers.map((layer, i) => this.card(layer, i, i === selected))}
      </div>
    `;
  }

  override updated(_changed: PropertyValues): void {
    const canvases = this.renderRoot.querySelectorAll("canvas");
    this.explanation.layers.forEach((layer, i) => this.drawThumbnail(canvases[i]!, layer));
  }

  private card(layer: Layer, i: number, selected: boolean) {
    const verdict = this.verdict(layer);
    return html`
      <button
        class="card ${verdict.differs ? "differs" : ""}"
        aria-pressed=${selected}
        tabindex="-1"
        data-scale-index=${i}
        title=${verdict.text}
        @click=${() => this.ask("layer-select", i)}
      >
        <canvas aria-hidden="true"></canvas>
        <span class="texts number">
          <span><strong>${layer.factor === null ? "Σ MSEA" : factorText(layer.factor)}</strong></span>
          <span class="muted">${layer.rows}×${layer.cols}</span>
          <span>${verdict.figure}</span>
          <span class="verdict ${verdict.differs ? "" : "muted"}">${verdict.text}</span>
        </span>
      </button>
    `;
  }

  private verdict(layer: Layer): { figure: string; text: string; differs: boolean } {
    if (layer.damage) return { figure: "", text: "damaged", differs: true };
    const token = this.view.token ?? 0;
    if (layer.agreement) {
      const rank = layer.agreement.rank[token] ?? 0;
      const figure = `p ${probabilityText(layer.agreement.probability[token])}`;
      if (rank === 0) return { figure, text: "same word", differs: false };
      const other = layer.agreement.top[token]?.text ?? "?";
      return { figure, text: `rank ${rank + 1}: ${tokenText(other)}`, differs: true };
    }
    const scales = this.explanation.layers.flatMap((other) => other.agreement ?? []);
    const agreeing = scales.filter((agreement) => agreement.rank[token] === 0).length;
    return { figure: "all scales", text: `${agreeing} of ${scales.length} agree`, differs: false };
  }

  private valueText(selected: number): string {
    const { layers } = this.explanation;
    const layer = layers[selected]!;
    const token = this.view.token ?? 0;
    const length = this.explanation.grounding.length;
    const word = tokenText(answerToken(this.explanation, token)?.text ?? "");
    const name = layer.factor === null ? "all scales together" : `scale ${selected + 1} of ${layers.length - 1}`;
    return `token ${token + 1} of ${length}: ${word}, ${name}, ${layer.rows} by ${layer.cols}, ${this.verdict(layer).text}`;
  }

  private drawThumbnail(canvas: HTMLCanvasElement, layer: Layer): void {
    const context = prepareCanvas(canvas, THUMBNAIL.width, THUMBNAIL.height);
    const token = this.view.token ?? 0;
    const { bitmap } = this.image;
    const size = bitmap ?? this.explanation.image ?? { width: layer.cols, height: layer.rows };
    const rect = imageRect(THUMBNAIL, size, INITIAL_VIEW.zoom);
    if (bitmap) {
      context.filter = this.view.grey ? "grayscale(1)" : "none";
      context.drawImage(bitmap, rect.x, rect.y, rect.width, rect.height);
      context.filter = "none";
    }
    const values = mapOf(layer, token);
    if (!values) return;
    drawMap(context, values, layer.rows, layer.cols, rect, {
      range: rangeOf(this.explanation, layer, token, this.view),
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
customElements.define("mmx-scale-scrubber", ScaleScrubber);
