// The whole panel: lays out the parts, hands them the model's data, and answers their requests.
import { css, html, nothing } from "lit";
import { COLOR_MAPS } from "../core/color";
import { MATRIX_MODES, answerLength, answerToken } from "../core/explanation";
import type { PanelModel } from "../core/model";
import { RANGE_MODES, type ViewState } from "../core/state";
import { stepText } from "../core/text";
import type { AnswerStrip } from "./answer_strip";
import { type Hover, NO_HOVER, PanelElement, controls, palette } from "./base";
import type { Header } from "./header";
import type { Help } from "./help";
import type { Stage } from "./stage";

const PLAY_INTERVAL_MS = 900;

export class Panel extends PanelElement {
  static override properties = {
    model: { attribute: false },
    dark: { type: Boolean },
    hover: { state: true },
    playing: { state: true },
  };
  declare model: PanelModel;
  declare dark: boolean;
  declare hover: Hover;
  declare playing: boolean;

  private timer = 0;

  constructor() {
    super();
    this.dark = false;
    this.hover = NO_HOVER;
    this.playing = false;
  }

  static override styles = [
    palette,
    controls,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100vh;
        background: var(--background);
        color: var(--text);
        font: 13px/1.4 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
      }
      .progress {
        position: relative;
        z-index: 5;
        height: 2px;
        margin-bottom: -2px;
        overflow: hidden;
        opacity: 0;
        transition: opacity 0.15s 0.12s;
      }
      .busy .progress {
        opacity: 1;
      }
      .progress::after {
        content: "";
        display: block;
        width: 30%;
        height: 100%;
        background: var(--accent);
        animation: slide 1.1s ease-in-out infinite;
      }
      @keyframes slide {
        from {
          transform: translateX(-100%);
        }
        to {
          transform: translateX(400%);
        }
      }
      .page {
        flex: 1;
        display: flex;
        flex-direction: column;
        min-height: 0;
      }
      mmx-answer-strip {
        padding: 12px 16px 10px;
      }
      main {
        flex: 1;
        display: grid;
        grid-template-columns: minmax(0, 1.12fr) minmax(0, 1fr);
        gap: 0;
        min-height: 0;
      }
      .seen {
        display: grid;
        grid-template: minmax(0, 1fr) auto auto / minmax(0, 1fr);
        gap: 8px;
        min-height: 0;
        padding: 0 16px 12px;
      }
      .read {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto;
        gap: 12px;
        min-height: 0;
        min-width: 0;
        padding: 0 16px 12px;
        border-left: 1px solid var(--line);
      }
      mmx-candidates {
        padding-top: 12px;
        border-top: 1px solid var(--line);
      }
      mmx-notice {
        flex: 1;
        min-height: 0;
      }
      .note {
        display: flex;
        align-items: center;
        gap: 12px;
        margin: 10px 16px 0;
        padding: 7px 12px;
        border-radius: 8px;
        background: var(--warning-soft);
        color: var(--warning);
      }
      @media (max-width: 980px) {
        :host {
          height: auto;
          min-height: 100vh;
        }
        main {
          grid-template-columns: minmax(0, 1fr);
        }
        .seen {
          grid-template: minmax(0, 1fr) auto / minmax(0, 1fr) 204px;
          height: max(330px, calc(100vh - 150px));
        }
        mmx-scale-scrubber {
          grid-row: 1 / 3;
          grid-column: 2;
        }
        .read {
          height: 640px;
          border-left: 0;
          border-top: 1px solid var(--line);
          padding-top: 12px;
        }
      }
      @media (max-width: 620px) {
        .seen {
          grid-template: 340px auto auto / minmax(0, 1fr);
          height: auto;
        }
        mmx-scale-scrubber {
          grid-row: 3;
          grid-column: 1;
        }
      }
      @media (prefers-reduced-motion: reduce) {
        .progress::after {
          animation: none;
          width: 100%;
        }
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.model.subscribe(() => this.requestUpdate());
    this.addEventListener("view-change", (event) => this.change(detail(event)));
    this.addEventListener("token-select", (event) => void this.model.selectToken(detail(event)));
    this.addEventListener("layer-select", (event) => void this.model.selectLayer(detail(event)));
    this.addEventListener("hover-change", (event) => (this.hover = detail(event)));
    this.addEventListener("play-toggle", () => this.play(!this.playing));
    this.addEventListener("help-open", () => this.element<Help>("mmx-help").open());
    this.addEventListener("retry", () => void this.model.retry());
    window.addEventListener("keydown", (event) => this.key(event));
  }

  override render() {
    const { model } = this;
    const { status, explanation } = model;
    const runs = model.index?.runs ?? [];
    const showsOlder = status.kind === "gone" && explanation;
    return html`
      ${runs.length
        ? html`<mmx-header
            .runs=${runs}
            .view=${model.view}
            .summaries=${model.summaries}
            ?playing=${this.playing}
          ></mmx-header>`
        : nothing}
      <div class="page ${model.busy ? "busy" : ""}" data-status=${status.kind} aria-busy=${model.busy}>
        <div class="progress" role="progressbar" aria-label="Loading" ?hidden=${!model.busy}></div>
        ${model.notice ? html`<div class="note" role="status">${model.notice}</div>` : nothing}
        ${showsOlder
          ? html`<div class="note" role="alert">
              TensorBoard does not answer; this is what was loaded before.
              <button @click=${() => this.model.retry()}>Try again</button>
            </div>`
          : nothing}
        ${explanation && (status.kind === "ready" || showsOlder)
          ? this.content()
          : html`<mmx-notice .status=${status} .place=${this.place()}></mmx-notice>`}
      </div>
      <mmx-help></mmx-help>
    `;
  }

  private content() {
    const { view, image } = this.model;
    const explanation = this.model.explanation!;
    const selected = view.token ?? 0;
    return html`
      <mmx-answer-strip
        .explanation=${explanation}
        .selected=${selected}
        ?template=${view.template}
        .hover=${this.hover}
      ></mmx-answer-strip>
      <main>
        <section class="seen" aria-label="Pixels" data-step=${explanation.step}>
          <mmx-stage .explanation=${explanation} .image=${image} .view=${view} ?dark=${this.dark}></mmx-stage>
          <mmx-legend .explanation=${explanation} .view=${view}></mmx-legend>
          <mmx-scale-scrubber .explanation=${explanation} .image=${image} .view=${view} ?dark=${this.dark}></mmx-scale-scrubber>
        </section>
        <section class="read" aria-label="Words">
          <mmx-relevance-matrix
            .explanation=${explanation}
            .view=${view}
            .hover=${this.hover}
            ?dark=${this.dark}
          ></mmx-relevance-matrix>
          <mmx-candidates .explanation=${explanation} .selected=${selected}></mmx-candidates>
        </section>
      </main>
    `;
  }

  private place(): string {
    const { tag, step } = this.model.view;
    const name = tag.replace(/^mmx\//, "");
    return name ? `${name}${step === null ? "" : `, step ${stepText(step)}`},` : "This sample";
  }

  private change(patch: Partial<ViewState>): void {
    if ("step" in patch || "tag" in patch || "run" in patch) this.play(false);
    void this.model.change(patch);
  }

  private play(on: boolean): void {
    this.playing = on;
    window.clearInterval(this.timer);
    if (!on) return;
    const { steps, view } = this.model;
    if (view.step === steps.at(-1)) void this.model.change({ step: steps[0]! });
    this.timer = window.setInterval(() => {
      if (this.model.busy || document.hidden || !window.innerHeight) return;
      if (!this.moveStep(1)) this.play(false);
    }, PLAY_INTERVAL_MS);
  }

  private moveStep(by: number): boolean {
    const { steps, view } = this.model;
    const step = steps[steps.indexOf(view.step ?? NaN) + by];
    if (step !== undefined) void this.model.change({ step });
    return step !== undefined;
  }

  private moveSample(by: number): void {
    const samples = this.model.run?.samples ?? [];
    const next = samples[samples.findIndex((entry) => entry.tag === this.model.view.tag) + by];
    if (next) this.change({ tag: next.tag });
  }

  /** To the next token that is shown, past those of the template. */
  private moveToken(from: number, by: number): void {
    const { explanation, view } = this.model;
    if (!explanation) return;
    let token = from + by;
    while (!view.template && answerToken(explanation, token)?.special) token += by;
    if (token < 0 || token >= answerLength(explanation)) return;
    void this.model.selectToken(token);
    void this.updateComplete.then(async () => {
      const strip = this.element<AnswerStrip>("mmx-answer-strip");
      await strip.updateComplete;
      strip.focusSelected();
    });
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.composedPath()[0] as HTMLElement;
    const typed = target instanceof HTMLInputElement && target.type !== "checkbox" && target.type !== "range";
    if (typed || target instanceof HTMLSelectElement || this.element<Help>("mmx-help").shadowRoot?.querySelector("dialog[open]")) return;
    const slides = target instanceof HTMLInputElement && target.type === "range" && target.ariaLabel !== "Scale";
    if (slides && event.key.startsWith("Arrow")) return;
    if (event.key === " " && (target instanceof HTMLButtonElement || target instanceof HTMLInputElement)) return;
    const action = this.action(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  }

  private action(key: string): (() => void) | undefined {
    const { view, explanation } = this.model;
    const token = view.token ?? 0;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.moveToken(token, -1),
      ArrowRight: () => this.moveToken(token, 1),
      Home: () => this.moveToken(-1, 1),
      End: () => this.moveToken(explanation ? answerLength(explanation) : 0, -1),
      ArrowUp: () => void this.model.moveLayer(-1),
      ArrowDown: () => void this.model.moveLayer(1),
      "[": () => (this.play(false), this.moveStep(-1)),
      "]": () => (this.play(false), this.moveStep(1)),
      " ": () => this.play(!this.playing),
      j: () => this.moveSample(1),
      k: () => this.moveSample(-1),
      "/": () => this.element<Header>("mmx-header").searchSamples(),
      "+": () => this.element<Stage>("mmx-stage").zoomBy(1.5),
      "=": () => this.element<Stage>("mmx-stage").zoomBy(1.5),
      "-": () => this.element<Stage>("mmx-stage").zoomBy(1 / 1.5),
      "0": () => this.element<Stage>("mmx-stage").reset(),
      m: () => this.change({ matrix: following(MATRIX_MODES, view.matrix) }),
      r: () => this.change({ range: following(RANGE_MODES, view.range) }),
      c: () => this.change({ colors: following(COLOR_MAPS, view.colors) }),
      s: () => this.change({ smooth: !view.smooth }),
      g: () => this.change({ grey: !view.grey }),
      t: () => this.change({ template: !view.template }),
      "?": () => this.element<Help>("mmx-help").open(),
    };
    return this.model.index?.runs.length ? actions[key] : undefined;
  }

  private element<Part extends Element>(name: string): Part {
    return this.renderRoot.querySelector(name) as unknown as Part;
  }
}
customElements.define("mmx-panel", Panel);

function following<Name>(names: readonly Name[], current: Name): Name {
  return names[(names.indexOf(current) + 1) % names.length]!;
}

function detail<Detail>(event: Event): Detail {
  return (event as CustomEvent<Detail>).detail;
}
