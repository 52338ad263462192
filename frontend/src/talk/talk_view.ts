// The panel for a room: one moment at a time, on all of the screen, to play or to step through.
import { type PropertyValues, css, html, nothing } from "lit";
import { isCharacter, shortcutsOn } from "../view/shortcuts";
import { PanelElement, controls, playIcon, prepareCanvas } from "../view/base";
import type { PanelModel } from "../view/model";
import { probabilityText } from "../view/text";
import { drawTalk } from "./draw_talk";
import { Fade } from "./fade";
import { type Moment, type Talk, talkOf } from "./moments";

export const MOMENT_MS = 1400;

export class TalkView extends PanelElement {
  static override properties = {
    // The same model shows something else.
    model: { attribute: false, hasChanged: () => true },
    playing: { state: true },
    quiet: { state: true },
  };
  declare model: PanelModel;
  playing = false;
  /** Nothing but the moment is shown. */
  quiet = false;

  private readonly fade = new Fade();
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  private drawn = "";
  private readonly left = () => document.fullscreenElement || this.leave();

  static override styles = [
    controls,
    css`
      dialog {
        position: fixed;
        inset: 0;
        width: 100vw;
        max-width: none;
        height: 100vh;
        max-height: none;
        margin: 0;
        padding: 0;
        border: 0;
        overflow: hidden;
        background: #101214;
        color: #f1f3f4;
      }
      dialog[open] {
        display: flex;
        flex-direction: column;
      }
      .room {
        position: relative;
        flex: 1;
        min-height: 0;
      }
      canvas {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
      }
      canvas:focus-visible {
        outline-offset: -2px;
      }
      .quiet canvas {
        outline: none;
        cursor: none;
      }
      .bar {
        display: flex;
        flex-wrap: wrap;
        justify-content: center;
        gap: 6px;
        padding: 8px;
        border-top: 1px solid #454a52;
        font-size: 13px;
      }
      .bar button,
      .bar label {
        height: 30px;
        border-color: #5a616b;
        background: #22262b;
        color: #f1f3f4;
      }
      .bar label {
        display: flex;
        align-items: center;
        gap: 6px;
        padding: 0 8px;
        background: none;
      }
      .bar .segments {
        background: none;
      }
      .bar button[aria-pressed="true"] {
        background: #f1f3f4;
        color: #14161a;
      }
      .bar .note {
        align-self: center;
        padding: 0 6px;
        color: #b4bac2;
      }
    `,
  ];

  override firstUpdated(): void {
    this.dialog.showModal();
    this.watchSize(this.renderRoot.querySelector(".room")!);
    // A dialog cannot fill the screen itself. Where it may not, it fills the panel.
    void document.documentElement.requestFullscreen?.().then(
      () => document.addEventListener("fullscreenchange", this.left),
      () => undefined,
    );
    this.canvas.focus();
    if (!this.calm) this.play(true);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.fade.stop();
    document.removeEventListener("fullscreenchange", this.left);
    if (document.fullscreenElement) void document.exitFullscreen();
  }

  override render() {
    const talk = this.talk;
    const moment = talk?.moments[talk.now];
    return html`<dialog
      class=${this.quiet ? "quiet" : ""}
      aria-label="Talk view"
      @cancel=${this.cancel}
      @keydown=${this.key}
      @pointermove=${this.moved}
    >
      <div class="room">
        <canvas tabindex="0" role="img" aria-label=${talk && moment ? described(talk, moment) : "Nothing to show yet"} @click=${() => this.play(!this.playing)}></canvas>
      </div>
      <div class="unseen" role="status">${moment && !this.playing ? described(talk!, moment) : ""}</div>
      ${this.quiet ? nothing : this.bar(talk)}
    </dialog>`;
  }

  private bar(talk: Talk | null) {
    const { view, steps } = this.model;
    const mode = (name: Talk["mode"], text: string, title: string) =>
      html`<button aria-pressed=${view.talk === name} title=${title} @click=${() => this.show(name)}>${text}</button>`;
    return html`<div class="bar">
      <button aria-label="Previous" title="Previous (←)" @click=${() => this.move(-1)}>‹</button>
      <button aria-label=${this.playing ? "Pause" : "Play"} title="Play, pause (space)" @click=${() => this.play(!this.playing)}>${playIcon(this.playing)}</button>
      <button aria-label="Next" title="Next (→)" @click=${() => this.move(1)}>›</button>
      ${steps.length > 1
        ? html`<span class="segments" role="group" aria-label="What is gone through">
            ${mode("answer", "word by word", "The answer, word by word (m)")}
            ${mode("steps", "over the steps", "This word at every step (m)")}
          </span>`
        : nothing}
      ${this.model.explanation?.objects?.length
        ? html`<label title="The object that the word names, as its mask was given (o)"
            ><input type="checkbox" .checked=${view.outline} @change=${() => this.outline()} />outline</label
          >`
        : nothing}
      ${talk?.coming ? html`<span class="note">${talk.coming} steps to come</span>` : nothing}
      <button title="Export (e)" @click=${this.export}>Export</button>
      <button title="Back to the panel (Esc)" @click=${this.leave}>Close</button>
    </div>`;
  }

  override updated(changed: PropertyValues): void {
    const { width, height } = this.size;
    const talk = this.talk;
    if (!width || !talk) return;
    const { step, token, talk: mode } = talk.view;
    const shown = JSON.stringify([step, token, mode]);
    // Only from one moment to another, not with the window's size.
    const fades = !this.calm && !!this.drawn && shown !== this.drawn && !changed.has("size");
    this.drawn = shown;
    this.fade.show(prepareCanvas(this.canvas, width, height), (context) => drawTalk(context, this.size, talk), fades);
  }

  private get talk(): Talk | null {
    const { talk } = this.model.view;
    return talk === "off" ? null : talkOf(this.model, talk);
  }

  private get dialog(): HTMLDialogElement {
    return this.renderRoot.querySelector("dialog")!;
  }

  private get canvas(): HTMLCanvasElement {
    return this.renderRoot.querySelector("canvas")!;
  }

  /** From the beginning, where it is at its end. */
  private play(on: boolean): void {
    const talk = this.talk;
    this.playing = this.quiet = on;
    this.repeat(0);
    if (!on || !talk) return;
    if (talk.now >= talk.moments.length - 1 && !talk.coming) this.go(0);
    // Focus would stay on a button that is gone.
    this.canvas.focus();
    this.repeat(MOMENT_MS, (shown) => {
      const { talk } = this;
      if (!shown || !talk || this.model.busy || talk.coming) return;
      if (talk.now < talk.moments.length - 1) return this.go(talk.now + 1);
      this.playing = false;
      this.repeat(0);
    });
  }

  private move(by: number): void {
    this.playing = false;
    this.repeat(0);
    const talk = this.talk;
    if (talk) this.go(Math.max(0, Math.min(talk.moments.length - 1, talk.now + by)));
  }

  private go(index: number): void {
    const place = this.talk?.moments[index]?.place;
    if (!place) return;
    if ("step" in place) void this.model.change({ step: place.step });
    else void this.model.selectToken(place.token);
  }

  private show(mode: Talk["mode"]): void {
    this.play(false);
    void this.model.change({ talk: mode });
  }

  private outline(): void {
    void this.model.change({ outline: !this.model.view.outline });
  }

  private readonly leave = (): void => {
    this.repeat(0);
    void this.model.change({ talk: "off" });
  };

  private readonly export = (): void => {
    this.play(false);
    this.ask("export-open", null);
  };

  private cancel(event: Event): void {
    event.preventDefault();
    this.leave();
  }

  /** Whoever looks for the controls of what has ended finds them. */
  private moved(event: PointerEvent): void {
    if (!this.playing && (event.movementX || event.movementY)) this.quiet = false;
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Else the panel behind it would follow, too.
    event.stopPropagation();
    const target = event.composedPath()[0];
    const presses = target instanceof HTMLButtonElement || target instanceof HTMLInputElement;
    if (presses && [" ", "Enter"].includes(event.key)) return;
    if (isCharacter(event.key) && !shortcutsOn()) return;
    const act = this.action(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** With the keys of a presenter's remote. */
  private action(key: string): (() => void) | undefined {
    const last = (this.talk?.moments.length ?? 1) - 1;
    const next = () => this.move(1);
    const previous = () => this.move(-1);
    const other = this.model.view.talk === "answer" && this.model.steps.length > 1 ? "steps" : "answer";
    const actions: Record<string, () => void> = {
      ArrowRight: next,
      ArrowDown: next,
      PageDown: next,
      ArrowLeft: previous,
      ArrowUp: previous,
      PageUp: previous,
      Home: () => this.move(-last),
      End: () => this.move(last),
      " ": () => this.play(!this.playing),
      Enter: () => this.play(!this.playing),
      m: () => this.show(other),
      o: () => this.outline(),
      e: this.export,
      f: this.leave,
      Escape: this.leave,
    };
    return actions[key];
  }
}
customElements.define("mmx-talk", TalkView);

function described({ moments, now, mode }: Talk, moment: Moment): string {
  const place = mode === "steps" ? `${moment.where}, ${now + 1} of ${moments.length}` : moment.where;
  const instead = moment.instead ? `; the model would say “${moment.instead}”` : "";
  return `“${moment.head}”: ${place}; probability ${probabilityText(moment.probability)}${instead}`;
}
