// The checkpoint slider: one tick per step that TensorBoard kept, and play.
import { css, html } from "lit";
import { nearestStep } from "./selection";
import { stepText } from "./text";
import { PanelElement, controls, playIcon, unattributed } from "./base";

export class StepSlider extends PanelElement {
  static override properties = {
    steps: unattributed,
    step: unattributed,
    other: unattributed,
    logged: unattributed,
    playing: { type: Boolean },
  };
  steps: readonly number[] = [];
  step: number | null = null;
  /** B's step, marked; null where B is of another run, or there is none. */
  other: number | null = null;
  /** Steps logged, kept or not; null until known. */
  logged: number | null = null;
  playing = false;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 10px;
        min-width: 0;
      }
      label {
        color: var(--muted);
      }
      .slider {
        position: relative;
        flex: 1;
        min-width: 64px;
        height: 20px;
      }
      input {
        position: absolute;
        inset: 0;
        width: 100%;
      }
      .tick {
        position: absolute;
        top: 4px;
        width: 1.5px;
        height: 12px;
        margin-left: -0.75px;
        background: var(--muted);
        opacity: 0.6;
      }
      .tick.b {
        top: 3px;
        width: 14px;
        height: 14px;
        margin-left: -7px;
        border-radius: 50%;
        background: var(--side-b);
        opacity: 1;
      }
      .ticks {
        position: absolute;
        inset: 0 7px;
        pointer-events: none;
      }
      .value {
        display: grid;
        line-height: 1.2;
        white-space: nowrap;
      }
      .value small {
        font-size: 11px;
        color: var(--muted);
      }
      button {
        width: 30px;
        padding: 0;
      }
      button,
      .value {
        flex: none;
      }
      @media (max-width: 1400px) {
        label {
          position: absolute;
          width: 1px;
          overflow: hidden;
          clip-path: inset(50%);
        }
      }
      @media (max-width: 980px) {
        :host {
          gap: 8px;
        }
      }
    `,
  ];

  override render() {
    const last = this.steps.length - 1;
    const [from, to] = [this.steps[0] ?? 0, this.steps.at(-1) ?? 0];
    const index = Math.max(0, this.steps.indexOf(this.step ?? NaN));
    const kept = this.steps.length;
    const step = this.step === null ? "–" : stepText(this.step);
    return html`
      <label for="step">step</label>
      <span class="slider">
        <span class="ticks" aria-hidden="true">
          ${this.steps.map(
            (step) => html`<span class="tick ${step === this.other ? "b" : ""}" style="left:${to > from ? (100 * (step - from)) / (to - from) : 0}%"></span>`,
          )}
        </span>
        <input
          id="step"
          type="range"
          min=${from}
          max=${to}
          step="any"
          .value=${String(this.step ?? from)}
          ?disabled=${last < 1}
          aria-valuetext="step ${step}, ${index + 1} of ${kept}"
          data-step=${this.step ?? ""}
          @input=${this.moved}
          @keydown=${this.pressed}
        />
      </span>
      <span class="value number">
        <strong>${step}</strong>
        <small>${kept}${this.logged === null ? "" : ` of ${Math.max(kept, this.logged)}`} steps kept</small>
      </span>
      <button
        class="play"
        aria-label=${this.playing ? "Pause" : "Play through the steps"}
        title=${this.playing ? "Pause (space)" : "Play through the steps (space)"}
        ?disabled=${last < 1}
        @click=${() => this.ask("play-toggle", null)}
      >
        ${playIcon(this.playing)}
      </button>
    `;
  }

  /** Between two steps, to the nearer. */
  private moved(event: Event): void {
    const input = event.target as HTMLInputElement;
    const step = nearestStep(this.steps, Number(input.value));
    if (step === null) return;
    input.value = String(step);
    if (step !== this.step) this.ask("view-change", { step });
  }

  /** The keys go from step to step, however far apart they are. */
  private pressed(event: KeyboardEvent): void {
    const at = this.steps.indexOf(this.step ?? NaN);
    const last = this.steps.length - 1;
    const targets: Record<string, number> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      Home: 0,
      End: last,
    };
    const wanted = targets[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const step = this.steps[Math.max(0, Math.min(last, wanted))];
    if (step !== undefined && step !== this.step) this.ask("view-change", { step });
  }
}
customElements.define("mmx-step-slider", StepSlider);
