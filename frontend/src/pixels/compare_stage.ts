// A and B: beside each other, one over the other behind a curtain, in turn, or their difference.
import { css, html } from "lit";
import { differenceOf } from "./difference_picture";
import { type Side, type StagePicture, pictureOf } from "./stage_picture";
import type { Point } from "./geometry";
import type { ViewState } from "../view/state";
import { shortened, stepText } from "../view/text";
import { PanelElement, controls, unattributed } from "../view/base";
import type { Stage } from "./stage";

const BLINK_MS = 700;

export class CompareStage extends PanelElement {
  static override properties = {
    a: unattributed,
    b: unattributed,
    view: unattributed,
    cursor: unattributed,
    trouble: { type: String },
    dark: { type: Boolean },
    curtain: { state: true },
    flipped: { state: true },
  };
  declare a: Side;
  declare b: Side | null;
  declare view: ViewState;
  declare cursor: Point | null;
  /** Why there is no B. */
  declare trouble: string;
  declare dark: boolean;
  /** Where A ends and B begins, 0 to 1. */
  curtain = 0.5;
  /** B is the one shown, while they blink. */
  flipped = false;

  private blinking = false;

  static override styles = [
    controls,
    css`
      :host {
        position: relative;
        display: grid;
        min-height: 0;
        min-width: 0;
      }
      .side {
        display: grid;
        grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
        gap: 8px;
      }
      /* The word is in the strip, the scale below: two captions would cover what they caption. */
      @media (max-width: 620px) {
        mmx-stage::part(caption) {
          display: none;
        }
      }
      .stack {
        position: relative;
      }
      .stack mmx-stage {
        position: absolute;
        inset: 0;
      }
      .hidden {
        visibility: hidden;
      }
      .line {
        position: absolute;
        top: 0;
        bottom: 0;
        width: 2px;
        margin-left: -1px;
        background: #fff;
        box-shadow: 0 0 0 1px rgb(0 0 0 / 0.5);
        pointer-events: none;
      }
      input.curtain {
        position: absolute;
        left: -13px;
        right: -13px;
        top: 50%;
        width: calc(100% + 26px);
        height: 26px;
        margin: -13px 0 0;
        pointer-events: none;
      }
      input.curtain::-webkit-slider-runnable-track {
        background: none;
      }
      input.curtain::-webkit-slider-thumb {
        width: 26px;
        height: 26px;
        margin-top: -11.5px;
        border: 0;
        background: #fff;
        box-shadow: 0 1px 5px rgb(0 0 0 / 0.5);
        cursor: ew-resize;
        pointer-events: auto;
      }
      input.curtain::-moz-range-track {
        background: none;
      }
      input.curtain::-moz-range-thumb {
        width: 26px;
        height: 26px;
        border: 0;
        background: #fff;
        box-shadow: 0 1px 5px rgb(0 0 0 / 0.5);
        cursor: ew-resize;
        pointer-events: auto;
      }
      .flip {
        position: absolute;
        left: 50%;
        bottom: 10px;
        height: 26px;
        transform: translateX(-50%);
        border: 0;
        border-radius: 13px;
        background: rgb(20 21 23 / 0.78);
        color: #fff;
      }
      .trouble {
        align-self: start;
        padding: 8px 12px;
        border-radius: 8px;
        background: var(--warning-soft);
        color: var(--warning);
      }
    `,
  ];

  override willUpdate(): void {
    const blinks = this.view.compare === "blink" && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (blinks !== this.blinking) this.repeat(blinks ? BLINK_MS : 0, (shown) => shown && this.flip());
    this.blinking = blinks;
  }

  override render() {
    const { a, b, view } = this;
    if (!b) {
      return html`<div class="side">
        ${this.stage(pictureOf(a, view), "a")}<div class="trouble" role="status">${this.trouble}</div>
      </div>`;
    }
    if (view.compare === "difference") return this.stage(differenceOf(a, b, view), "");
    const first = this.stage(pictureOf(a, view, b), "a");
    const second = this.stage(pictureOf(b, view, a), "b");
    if (view.compare === "side") return html`<div class="side">${first}${second}</div>`;
    if (view.compare === "blink") return this.inTurn(first, second);
    // Two captions would cut each other.
    const behind = this.stage({ ...pictureOf(b, view, a), caption: "" }, "b");
    const cut = (100 * this.curtain).toFixed(2);
    return html`<div class="stack">
      ${first}
      <div style="position:absolute;inset:0;clip-path:inset(0 0 0 ${cut}%)">${behind}</div>
      <span class="line" style="left:${cut}%"></span>
      <input
        class="curtain"
        type="range"
        min="0"
        max="1"
        step="0.01"
        aria-label="Curtain between A and B"
        aria-valuetext="A up to ${Math.round(100 * this.curtain)} percent of the width"
        .value=${String(this.curtain)}
        @input=${(event: Event) => (this.curtain = Number((event.target as HTMLInputElement).value))}
      />
    </div>`;
  }

  /** Zooming is linked: any stage will do. */
  get anyStage(): Stage {
    return this.renderRoot.querySelector<Stage>("mmx-stage")!;
  }

  flip(): void {
    this.flipped = !this.flipped;
  }

  private inTurn(first: unknown, second: unknown) {
    return html`<div class="stack">
      <div class=${this.flipped ? "hidden" : ""}>${first}</div>
      <div class=${this.flipped ? "" : "hidden"}>${second}</div>
      <button class="flip" title="Show the other (b)" @click=${() => this.flip()}>show ${this.flipped ? "A" : "B"}</button>
    </div>`;
  }

  private stage(picture: StagePicture, side: "a" | "b" | "") {
    const shown = side === "b" ? this.b! : this.a;
    return html`<mmx-stage
      .picture=${picture}
      .view=${this.view}
      .cursor=${this.cursor}
      .badge=${side ? badgeOf(side, shown, this.a) : ""}
      .side=${side}
      ?dark=${this.dark}
    ></mmx-stage>`;
  }
}
customElements.define("mmx-compare-stage", CompareStage);

/** The run is named where it is not the same for both. */
function badgeOf(side: "a" | "b", { explanation }: Side, a: Side): string {
  const run = side === "b" && explanation.run !== a.explanation.run ? `${shortened(explanation.run, a.explanation.run)} · ` : "";
  return `${side.toUpperCase()} · ${run}step ${stepText(explanation.step)}`;
}
