// The colours' scale with numbers and unit, and how the heatmap lies on the image.
import { type PropertyValues, css, html, nothing } from "lit";
import { cssColor } from "./color";
import type { StagePicture } from "./stage_picture";
import type { Peaks } from "./range";
import { RANGE_NAMES, type ViewState } from "../view/state";
import { valueText } from "../view/text";
import { PanelElement, controls, prepareCanvas, unattributed } from "../view/base";

const BAR = { width: 132, height: 10 };

export class Legend extends PanelElement {
  static override properties = { picture: unattributed, second: unattributed, view: unattributed, held: unattributed };
  declare picture: StagePicture;
  /** B's, while something is compared: it may measure something else. */
  declare second: StagePicture | null;
  declare view: ViewState;
  /** What its colours are held to. */
  declare held: Peaks;

  static override styles = [
    controls,
    css`
      /* As many lines as its width asks for, whatever it says: the picture above never moves. */
      :host {
        container-type: inline-size;
        font-size: 12px;
      }
      .line {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 4px 18px;
      }
      .how {
        flex: none;
      }
      @container (max-width: 520px) {
        .line {
          flex-direction: column;
          align-items: start;
        }
        .scale {
          max-width: 100%;
        }
        .how {
          flex-wrap: wrap;
        }
      }
      .scale,
      .how,
      label {
        display: flex;
        align-items: center;
        gap: 8px;
        white-space: nowrap;
      }
      .scale {
        min-width: 0;
      }
      .scale > :not(.muted) {
        flex: none;
      }
      .scale > .muted {
        overflow: hidden;
        text-overflow: ellipsis;
      }
      label {
        gap: 6px;
        color: var(--muted);
        cursor: pointer;
      }
      canvas {
        width: ${BAR.width}px;
        height: ${BAR.height}px;
        border-radius: 3px;
        box-shadow: 0 0 0 1px var(--line);
      }
      input[type="range"] {
        width: 72px;
      }
      input[type="number"] {
        width: 64px;
        height: 24px;
        padding: 0 4px;
        border: 1px solid var(--line);
        border-radius: 6px;
        background: var(--surface);
      }
    `,
  ];

  override render() {
    const { view } = this;
    const { low, high } = this.picture.range;
    const signed = low < 0;
    return html`<div class="line">
      <span class="scale number">
        <span class="low">${signed ? html`<strong>more in B</strong> ${valueText(low)}` : valueText(low).replace(/\.0+$/, "")}</span>
        <canvas aria-hidden="true"></canvas>
        ${view.range === "fixed"
          ? html`<input
              type="number"
              min="0.1"
              step="0.5"
              aria-label="Upper end of the range"
              .value=${String(view.fixedMax)}
              @change=${this.rangeTyped}
            />`
          : html`<span class="high">${signed ? `+${valueText(high)}` : valueText(high)}</span>`}
        ${signed ? html`<strong>more in A</strong>` : ""}
        <span class="muted">
          <span tabindex="0" data-term=${this.picture.unit === "logit" ? "logit" : "lost"}>${this.picture.unit}</span>${signed
            ? nothing
            : html` · <span tabindex="0" data-term="sample">${this.rangeName()}</span>`}${this.others()}
        </span>
      </span>
      <span class="how">
        <label title="Opacity of the heatmap">
          opacity
          <input
            type="range"
            min="0.1"
            max="1"
            step="0.05"
            aria-label="Opacity"
            aria-valuetext="${Math.round(100 * view.opacity)} percent"
            .value=${String(view.opacity)}
            @input=${(event: Event) => this.ask("view-change", { opacity: Number((event.target as HTMLInputElement).value) })}
          />
        </label>
        ${this.box("smooth", "Blend between cells (s)")} ${this.box("grey", "Image without colours (g)")}
        ${this.picture.objects ? this.box("outline", "The object that the word names, as its mask was given (o)") : nothing}
      </span>
    </div>`;
  }

  override updated(changed: PropertyValues): void {
    if (!changed.has("picture")) return;
    const canvas = this.renderRoot.querySelector("canvas")!;
    const context = prepareCanvas(canvas, BAR.width, BAR.height);
    for (let x = 0; x < BAR.width; x++) {
      context.fillStyle = cssColor(this.picture.colors, x / (BAR.width - 1));
      context.fillRect(x, 0, 1.5, BAR.height);
    }
  }

  /** Beside each other A and B have one legend: it says whose range it is. */
  private rangeName(): string {
    const { compare, range } = this.view;
    const own = compare !== "single" && range !== "compared" && range !== "fixed";
    const { steps, total } = this.held;
    // Until the others have come, or where they are too many.
    const some = steps < total && (range === "sample" || range === "compared");
    return `${own ? "A: " : ""}${some ? `${steps} of ${total} steps` : RANGE_NAMES[range]}`;
  }

  /** B's own range and unit, where they are not A's. */
  private others(): string {
    const { picture, second } = this;
    if (!second || second.unit === picture.unit) return "";
    return ` (A) · B: ${valueText(second.range.low).replace(/\.0+$/, "")} to ${valueText(second.range.high)} ${second.unit}`;
  }

  private box(name: "smooth" | "grey" | "outline", title: string) {
    return html`<label title=${title}
      ><input
        type="checkbox"
        .checked=${this.view[name]}
        @change=${(event: Event) => this.ask("view-change", { [name]: (event.target as HTMLInputElement).checked })}
      />${name === "outline" ? html`<span data-term="outline">outline</span>` : name}</label
    >`;
  }

  private rangeTyped(event: Event): void {
    const value = Number((event.target as HTMLInputElement).value);
    if (value > 0) this.ask("view-change", { fixedMax: value });
    else (event.target as HTMLInputElement).value = String(this.view.fixedMax);
  }
}
customElements.define("mmx-legend", Legend);
