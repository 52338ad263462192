// The whole panel: lays out the parts, hands them the model's data, and answers their requests.
import { html, nothing } from "lit";
import { alternativeOf } from "../words/alternative";
import { answerLength, answerToken, seenAt } from "../data/explanation";
import type { Host } from "./host";
import type { PanelModel } from "./model";
import { changedBy, isBack, isForPanel } from "./keys";
import { browserNotes } from "../samples/notes";
import { sampleTable } from "./table_view";
import type { ViewState } from "./state";
import { tokensAt } from "./selection";
import type { Peaks } from "../pixels/range";
import type { Said } from "../words/sentence";
import { placeText } from "./text";
import { answerUnits, groupIndex } from "../words/units";
import { type Side, type StagePicture, heldBy, pictureOf } from "../pixels/stage_picture";
import type { Point } from "../pixels/geometry";
import type { AnswerStrip } from "../words/answer_strip";
import { type Hover, NO_HOVER, PanelElement, type PanelEvents, controls, palette, unattributed } from "./base";
import type { CompareStage } from "../pixels/compare_stage";
import type { Dialog } from "./dialog";
import type { ExportDialog } from "./export_dialog";
import type { Header } from "./header";
import type { Help } from "./help";
import { keep, recall } from "./memory";
import { PARTS } from "./part_list";
import { Parts } from "./parts";
import { readingSection } from "./reading";
import { type Asked, watchTerms } from "./terms";
import { panelStyle } from "./panel_style";
import type { Stage } from "../pixels/stage";

const PLAY_INTERVAL_MS = 900;
/** Kept by the browser, once the look around was closed. */
const GUIDE = "guided";
export class Panel extends PanelElement {
  static override properties = {
    model: unattributed,
    dark: { type: Boolean },
    hover: { state: true },
    cursor: { state: true },
    table: { state: true },
    playing: { state: true },
    asked: { state: true },
    guided: { state: true },
    beside: { state: true },
  };
  declare model: PanelModel;
  declare host: Host;
  declare goBack: () => void;
  dark = false;
  hover: Hover = NO_HOVER;
  /** Where the pointer is on the image, linked between stages. */
  cursor: Point | null = null;
  /** The table's own search and order. */
  table: Required<PanelEvents["table-change"]> = { query: "", sort: { key: "name", descending: false }, kept: { worse: false, between: null } };
  playing = false;
  /** What the reader asks the meaning of. */
  asked: Asked | null = null;
  /** The look around is open: on a first visit, if a second can be told from it, and on request. */
  guided = !recall(GUIDE) && keep(GUIDE, "");

  /** Loaded once a word beside the answer is in view. */
  beside: typeof import("../pixels/alternative_picture") | null = null;

  private readonly notes = browserNotes();
  /** The sample that was last shown. */
  private played = "";
  private readonly parts = new Parts<keyof typeof PARTS>(PARTS, () => this.requestUpdate());

  static override styles = [palette, controls, panelStyle];

  override connectedCallback(): void {
    super.connectedCallback();
    this.model.subscribe(() => this.requestUpdate());
    this.addEventListener("view-change", ({ detail }) => this.change(detail));
    this.addEventListener("token-select", ({ detail }) => void this.model.selectToken(detail));
    this.addEventListener("layer-select", ({ detail }) => void this.model.selectLayer(detail));
    this.addEventListener("hover-change", ({ detail }) => (this.hover = detail));
    this.addEventListener("span-select", ({ detail: { from, to } }) => void this.model.selectSpan(from, to));
    this.addEventListener("cursor-change", ({ detail }) => (this.cursor = detail));
    this.addEventListener("table-change", ({ detail }) => (this.table = { ...this.table, ...detail }));
    this.addEventListener("export-open", () => void this.export());
    this.addEventListener("play-toggle", () => this.play(!this.playing));
    this.addEventListener("help-open", () => void this.help());
    this.addEventListener("list-lost", () => void this.parts.load("list"));
    this.addEventListener("go-back", () => this.goBack());
    this.addEventListener("note-change", ({ detail }) => {
      this.notes.set(this.model.view.tag, detail);
      this.requestUpdate();
    });
    this.addEventListener("guide-toggle", ({ detail }) => {
      this.guided = detail;
      keep(GUIDE, "1");
    });
    watchTerms(this, (asked) => void this.explain(asked));
    this.addEventListener("retry", () => void this.model.retry());
    window.addEventListener("keydown", (event) => this.key(event));
  }

  override willUpdate(): void {
    if (this.model.view.alternative && !this.beside) void import("../pixels/alternative_picture").then((part) => (this.beside = part), () => undefined);
  }

  override render() {
    const { model } = this;
    const { status, explanation } = model;
    const runs = model.index?.runs ?? [];
    const showsOlder = status.kind === "gone" && explanation;
    return html`
      ${runs.length
        ? html`<mmx-header role="banner" .runs=${runs} .view=${model.view}
            .summaries=${model.summaries}
            .other=${model.otherPlace}
            .note=${this.notes.of(model.view.tag)}
            ?playing=${this.playing}
            ?first=${model.history.isEmpty}
          ></mmx-header>`
        : nothing}
      <main class="page ${model.busy ? "busy" : ""}" data-status=${status.kind} aria-busy=${model.busy}>
        <mmx-spoken .view=${model.view} .explanation=${explanation}></mmx-spoken>
        <div class="progress" role="progressbar" aria-label="Loading" ?hidden=${!model.busy}></div>
        ${model.news ? html`<div class="news" role="status">${model.news}</div>` : nothing}
        ${this.parts.trouble("help", () => this.help())} ${this.parts.trouble("export", () => this.export())}
        ${this.parts.trouble("list", () => void this.parts.load("list"))}
        ${model.view.outline ? this.parts.want("outline") : nothing}
        ${runs.length && model.view.samples ? this.parts.show("table", () => sampleTable(model, this.table, this.notes)) : nothing}
        ${model.notice ? html`<div class="note" role="status">${model.notice}</div>` : nothing}
        ${showsOlder
          ? html`<div class="note" role="alert">
              TensorBoard does not answer; this is what was loaded before.
              <button @click=${() => this.model.retry()}>Try again</button>
            </div>`
          : nothing}
        ${explanation && (status.kind === "ready" || showsOlder)
          ? this.content()
          : status.kind === "empty"
            ? this.parts.show("start", () => html`<mmx-how-to-log></mmx-how-to-log>`)
            : html`<mmx-notice .status=${status} .place=${placeText(model.view)}></mmx-notice>`}
      </main>
      ${this.asked ? html`<mmx-term-tip .term=${this.asked.term} .at=${this.asked.at}></mmx-term-tip>` : nothing}
      <mmx-help></mmx-help>
      <mmx-export-dialog .place=${this.shownPlace}></mmx-export-dialog>
    `;
  }

  protected override updated(): void {
    const { run, tag } = this.model.view;
    const sample = JSON.stringify([run, tag]);
    // A reload may have put another sample in the place of one that is gone.
    if (this.playing && sample !== this.played) this.play(false);
    this.played = sample;
  }

  /** What is on screen, to tell whether it is still the same. */
  private get shownPlace(): string {
    const { run, tag, step } = this.model.view;
    const other = this.model.otherPlace;
    return JSON.stringify([run, tag, step, other?.run, other?.step]);
  }

  private content() {
    const { view, image, side, otherSide, other } = this.model;
    const whole = this.model.explanation!;
    const explanation = seenAt(whole, view.image);
    const several = whole.views.length > 1;
    const alternative = alternativeOf(explanation, view);
    const selected = view.token ?? 0;
    const comparing = view.compare !== "single";
    const held = heldBy(side!, otherSide, view);
    const picture = this.picture(side!, otherSide);
    const tall = picture.size.height / picture.size.width / (view.compare === "side" ? 2 : 1);
    return html`
      <mmx-answer-strip
        .explanation=${explanation}
        .selected=${selected}
        .more=${view.more}
        .unit=${view.unit}
        .combine=${view.combine}
        .pinned=${view.context}
        .alternative=${alternative === null ? "" : view.alternative}
        .other=${comparing ? other : null}
        ?template=${view.template}
        .held=${held}
        .hover=${this.hover}
      >
        ${this.parts.show(
          "sentence",
          () => html`<mmx-sentence .said=${side} .earlier=${this.earlier(held)} .other=${comparing ? otherSide : null} .view=${view}></mmx-sentence>`,
        )}
      </mmx-answer-strip>
      <div class="halves">
        <section class="seen ${several ? "several" : ""}" aria-label="Pixels" data-step=${explanation.step} data-other-step=${other?.explanation.step ?? ""} style="--tall:${tall}">
          ${several
            ? this.parts.show("images", () => html`<mmx-image-strip .explanation=${whole} .images=${this.model.images} .peer=${otherSide} .held=${held} .view=${view} ?dark=${this.dark}></mmx-image-strip>`)
            : nothing}
          ${comparing
            ? this.parts.show(
                "compare",
                () => html`<mmx-compare-stage
                  .a=${side}
                  .b=${otherSide}
                  .view=${view}
                  .cursor=${this.cursor}
                  .trouble=${this.model.otherTrouble}
                  ?dark=${this.dark}
                ></mmx-compare-stage>`,
              )
            : html`<mmx-stage .picture=${picture} .view=${view} .cursor=${this.cursor} ?dark=${this.dark}></mmx-stage>`}
          <mmx-legend .picture=${picture} .second=${otherSide && pictureOf(otherSide, view, side)} .view=${view} .held=${held}></mmx-legend>
          <mmx-scale-scrubber
            class=${alternative === null ? "" : "void"}
            .explanation=${explanation}
            .held=${held}
            .other=${comparing ? otherSide : null}
            .image=${image}
            .view=${view}
            ?dark=${this.dark}
          ></mmx-scale-scrubber>
          ${alternative === null || !this.beside ? nothing : this.beside.alternativeNote(explanation, explanation.alternatives[alternative]!, () => this.change({ alternative: "", context: null }))}
        </section>
        ${readingSection({ model: this.model, parts: this.parts, explanation, hover: this.hover, held, dark: this.dark })}
      </div>
      ${this.guided ? this.guide(side!) : nothing}
      ${view.talk === "off" ? nothing : this.parts.show("talk", () => html`<mmx-talk .model=${this.model}></mmx-talk>`)}
    `;
  }

  /** The selected words at the step before. */
  private earlier(held: Peaks): Said | null {
    const { before: explanation, view } = this.model;
    return explanation && { explanation: seenAt(explanation, view.image), tokens: tokensAt(view, explanation), held };
  }

  private guide(said: Said) {
    return this.parts.show("guide", () => html`<mmx-guide .said=${said} .steps=${this.model.steps.length}></mmx-guide>`);
  }

  /** What the legend explains: the difference, or A. */
  private picture(a: Side, b: Side | null): StagePicture {
    const { view } = this.model;
    if (b && view.compare === "difference") return this.model.comparing!.differenceOf(a, b, view);
    return this.beside ? this.beside.pictureInView(a, view, b) : pictureOf(a, view, b);
  }

  private async help(): Promise<void> {
    if (await this.parts.load("help")) await this.opened<Help>("mmx-help", (help) => help.show());
  }

  private async explain(asked: Asked | null): Promise<void> {
    this.asked = asked;
    if (asked) await this.parts.load("terms");
  }

  private async export(): Promise<void> {
    if (!(await this.parts.load("export"))) return;
    const curtain = this.renderRoot.querySelector<CompareStage>("mmx-compare-stage")?.curtain ?? 1;
    await this.opened<ExportDialog>("mmx-export-dialog", (dialog) => dialog.open(this.model, curtain, this.host));
  }

  private async opened<Kind extends Dialog>(name: string, open: (dialog: Kind) => void): Promise<void> {
    const dialog = this.element<Kind>(name);
    await dialog.updateComplete;
    if (!this.dialogOpen) open(dialog);
  }

  private get dialogOpen(): boolean {
    return ["mmx-help", "mmx-export-dialog"].some((name) => this.element<Dialog>(name).isOpen);
  }

  private get strip(): AnswerStrip | null {
    return this.renderRoot.querySelector<AnswerStrip>("mmx-answer-strip");
  }

  /** None while what compares is on its way. */
  private get stage(): Stage | undefined {
    return this.renderRoot.querySelector<Stage>("mmx-stage") ?? this.renderRoot.querySelector<CompareStage>("mmx-compare-stage")?.anyStage;
  }

  private change(patch: Partial<ViewState>): void {
    if ("step" in patch || "tag" in patch || "run" in patch) this.play(false);
    void this.model.change(patch);
  }

  private play(on: boolean): void {
    this.playing = on;
    this.repeat(0);
    if (!on) return;
    const { steps, view } = this.model;
    if (view.step === steps.at(-1)) void this.model.change({ step: steps[0]! });
    this.repeat(PLAY_INTERVAL_MS, (shown) => {
      if (shown && !this.model.busy && !this.moveStep(1)) this.play(false);
    });
  }

  private moveStep(by: number): boolean {
    const { steps, view } = this.model;
    const step = steps[steps.indexOf(view.step ?? NaN) + by];
    if (step !== undefined) void this.model.change({ step });
    return step !== undefined;
  }

  private moveImage(by: number): void {
    const last = (this.model.explanation?.views.length ?? 1) - 1;
    this.change({ image: Math.max(0, Math.min(last, this.model.view.image + by)) });
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
    const units = answerUnits(explanation, view.unit);
    let at = from < 0 ? -1 : from < answerLength(explanation) ? groupIndex(units, from) : units.length;
    do at += by;
    while (units[at] && !view.template && answerToken(explanation, units[at]!.first)?.special);
    const next = units[at];
    if (!next) return;
    void this.model.selectToken(next.first);
    void this.updateComplete.then(async () => {
      await this.strip?.updateComplete;
      this.strip?.focusSelected();
    });
  }

  private key(event: KeyboardEvent): void {
    if (isBack(event) && !this.model.history.isEmpty) {
      event.preventDefault();
      return this.goBack();
    }
    if (this.dialogOpen || this.model.view.talk !== "off" || !isForPanel(event)) return;
    const arrow = event.key.startsWith("Arrow");
    const action = this.action(event.shiftKey && arrow ? `Shift+${event.key}` : event.key);
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
      "Shift+ArrowLeft": () => this.change({ more: Math.max(0, view.more - 1) }),
      "Shift+ArrowRight": () => this.change({ more: view.more + 1 }),
      Home: () => this.moveToken(-1, 1),
      End: () => this.moveToken(explanation ? answerLength(explanation) : 0, -1),
      ArrowUp: () => void this.model.moveLayer(-1),
      ArrowDown: () => void this.model.moveLayer(1),
      ",": () => this.moveImage(-1),
      ".": () => this.moveImage(1),
      "[": () => (this.play(false), this.moveStep(-1)),
      "]": () => (this.play(false), this.moveStep(1)),
      " ": () => this.play(!this.playing),
      j: () => this.moveSample(1),
      k: () => this.moveSample(-1),
      "/": () => this.element<Header>("mmx-header").searchSamples(),
      "+": () => this.stage?.zoomBy(1.5),
      "=": () => this.stage?.zoomBy(1.5),
      "-": () => this.stage?.zoomBy(1 / 1.5),
      "0": () => this.stage?.reset(),
      Escape: () => {
        this.parts.giveUp("export");
        this.parts.giveUp("help");
        this.change({ region: null, more: 0, context: null, alternative: "" });
      },
      x: () => this.element<Header>("mmx-header").swap(),
      b: () => this.renderRoot.querySelector<CompareStage>("mmx-compare-stage")?.flip(),
      e: () => void this.export(),
      n: () => this.strip?.moveDoubt(1),
      p: () => this.strip?.moveDoubt(-1),
      "?": () => void this.help(),
    };
    if (!this.model.index?.runs.length) return undefined;
    const changed = changedBy(key, view, explanation);
    return changed ? () => this.change(changed) : actions[key];
  }

  private element<Part extends Element>(name: string): Part {
    return this.renderRoot.querySelector(name) as unknown as Part;
  }
}
customElements.define("mmx-panel", Panel);
