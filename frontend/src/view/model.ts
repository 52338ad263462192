// What the panel knows and shows: the index, the view, the explanation on screen. Elements read it
// and ask for changes; it fetches, keeps the selection and tells them when something is new.
import type { Pair } from "../words/alignment";
import type { IndexRecord, IndexResponse, PanelApi, RunEntry, SampleEntry } from "../data/api";
import { reason } from "../data/reason";
import { type Explanation, answerLength, answerToken, seenAt, shownLayers } from "../data/explanation";
import { CACHE_BYTES, type ExplanationSource, type Place, type StepResult } from "../data/explanation_source";
import { ServerError } from "../data/fetch_checked";
import { ImageSource, type ImageState, NO_IMAGE, NO_SUCH_IMAGE } from "../data/images";
import { Latest } from "../data/latest";
import { ViewHistory } from "./history";
import { missingText, otherPlace, resolve, runNamed } from "./places";
import { type Side, sideOf } from "../pixels/stage_picture";
import { type SampleSummary, summarise } from "../samples/summaries";
import { answerUnits, unitAt } from "../words/units";
import { LOST, type Status } from "./status";
import { comparedOf, inFilm, likeView } from "./compared";
import { HeldPeaks } from "./held";
import { reloaded } from "./reloaded";
import { type ViewState, INITIAL_VIEW } from "./state";
import { spread } from "./steps";
import { keepToken, layerIndex, layerName, nearestStep, selectedTokens } from "./selection";

const STEPS_AHEAD = 3;
/** Of the cache; the rest is for what is looked at beside the film. */
export const FILM_BYTES = CACHE_BYTES / 2;
const NO_RECORDS: readonly IndexRecord[] = [];
const NEEDS_DATA = ["run", "tag", "step", "compare", "otherRun", "otherStep", "film", "talk", "samples"] as const;

export class PanelModel {
  view: ViewState;
  index: IndexResponse | null = null;
  explanation: Explanation | null = null;
  /** Per image of the sample. */
  images: ImageState[] = [];
  status: Status = { kind: "loading" };
  /** Something is on its way, though an older view may still be shown. */
  busy = true;
  /** B of a comparison, and how its answer's tokens stand to A's. */
  other: { explanation: Explanation; images: ImageState[]; pairs: Pair[] } | null = null;
  /** Why there is no B. */
  otherTrouble = "";

  private readonly imageSource: ImageSource;
  private readonly peaks: HeldPeaks;
  private readonly records = new Map<string, IndexRecord[]>();
  private readonly recordsAsked = new Set<string>();
  private summarised: { records: readonly IndexRecord[]; summaries: Map<string, SampleSummary> } | null = null;
  /** Loaded before there is a B. */
  comparing: typeof import("../words/comparing") | null = null;
  private subtracted: { a: Explanation; b: Explanation; result: Explanation } | null = null;
  private listeners: (() => void)[] = [];
  readonly history = new ViewHistory();
  private readonly shown = new Latest();
  private readonly read = new Latest();
  /** What the address asked for and could not be had. */
  private missed: Pick<ViewState, "run" | "tag" | "step"> | null = null;
  /** Steps that have come since the reader last did something. */
  private arrived: Place[] = [];

  constructor(
    readonly api: PanelApi,
    readonly source: ExplanationSource,
    view: ViewState = INITIAL_VIEW,
  ) {
    this.view = view;
    this.imageSource = new ImageSource(api);
    this.peaks = new HeldPeaks(source);
    source.onLoad = () => this.tell();
  }

  subscribe(listener: () => void): void {
    this.listeners.push(listener);
  }

  get run(): RunEntry | undefined {
    return this.index?.runs.find((entry) => entry.run === this.view.run);
  }

  get sample(): SampleEntry | undefined {
    return this.run?.samples.find((entry) => entry.tag === this.view.tag);
  }

  get steps(): readonly number[] {
    return this.sample?.steps ?? [];
  }
  /** What was asked for and is not here, for as long as that is so. */
  get notice(): string {
    return this.missed && this.sample ? missingText(this.index!, this.missed, this.view) : "";
  }

  /** What has come since to what is shown, and is still there: "3 new steps". */
  get news(): string {
    const { run, tag } = this.view;
    const here = this.arrived.filter((place) => place.run === run && place.tag === tag && this.steps.includes(place.step));
    return here.length ? `${here.length} new ${here.length === 1 ? "step" : "steps"}` : "";
  }

  /** Where B is, while something is compared. */
  get otherPlace(): Place | null {
    return this.index && this.view.compare !== "single" ? otherPlace(this.index, this.view) : null;
  }

  /** The image in view. */
  get image(): ImageState {
    return this.images[this.view.image] ?? NO_IMAGE;
  }

  /** A as the stage shows it. */
  get side(): Side | null {
    const { explanation, view } = this;
    return explanation && sideOf(seenAt(explanation, view.image), this.image, view, this.peaks.over(explanation, this.index));
  }

  /** B as the stage shows it: the tokens that stand for A's. */
  get otherSide(): Side | null {
    if (!this.other || !this.explanation) return null;
    const { explanation, images, pairs } = this.other;
    const at = likeView(this.explanation, this.view.image, explanation);
    const held = this.peaks.over(explanation, this.index);
    if (at < 0) return { explanation, image: NO_SUCH_IMAGE, tokens: [], held };
    const tokens = selectedTokens(this.view, this.explanation).flatMap((token) => this.comparing!.counterpart(pairs, token) ?? []);
    return { explanation: seenAt(explanation, at), image: images[at] ?? NO_IMAGE, tokens, held };
  }

  /** The sample at the step before, once that is here. */
  get before(): Explanation | null {
    const step = this.steps[this.steps.indexOf(this.view.step ?? NaN) - 1];
    const result = step === undefined ? undefined : this.source.cached({ ...this.view, step });
    return result && "explanation" in result ? result.explanation : null;
  }

  /** Per tag of the current run, from its index records. */
  get summaries(): ReadonlyMap<string, SampleSummary> {
    const records = this.recordsOf(this.view.run);
    if (this.summarised?.records !== records) this.summarised = { records, summaries: summarise(records) };
    return this.summarised.summaries;
  }

  get difference(): Explanation | null {
    const { explanation: a, other } = this;
    if (!a || !other) return a;
    if (this.subtracted?.a !== a || this.subtracted.b !== other.explanation) {
      this.subtracted = { a, b: other.explanation, result: this.comparing!.withDifferenceMatrix(a, other.explanation) };
    }
    return this.subtracted.result;
  }

  recordsOf(run: string): readonly IndexRecord[] {
    return this.records.get(run) ?? NO_RECORDS;
  }
  /** The steps of the film strip: all, or as many as can be held at once, evenly spread. */
  get filmSteps(): readonly number[] {
    return spread(this.steps, Math.floor(FILM_BYTES / (this.explanation?.bytes ?? 1)), this.view.step);
  }

  /** The sample at each of those steps: null until it has come, undefined where it is damaged. */
  film(): (Explanation | null | undefined)[] {
    return this.filmSteps.map((step) => inFilm(this.source.cached({ ...this.view, step }), this.explanation, this.view.image));
  }

  /** The same once all have come that will. */
  async wholeFilm(): Promise<(Explanation | null | undefined)[]> {
    await Promise.all(this.filmSteps.map((step) => this.source.load({ ...this.view, step }).catch(() => undefined)));
    return this.film();
  }

  /** Read the index; the selection stays where it still exists. */
  async refresh(): Promise<void> {
    // Another may be asked for meanwhile, and this one be the older.
    const wanted = this.read.ask();
    let index: IndexResponse;
    try {
      index = await this.api.index();
    } catch (error) {
      if (wanted()) this.fail(error);
      return;
    }
    if (!wanted()) return;
    const before = this.index;
    this.index = index;
    if (JSON.stringify(index) !== JSON.stringify(before)) {
      this.recordsAsked.clear();
      if (before) this.follow(before, index);
    }
    if (!index.runs.some((run) => run.samples.length)) {
      this.shown.ask();
      this.explanation = this.other = null;
      this.images = [];
      this.settle({ kind: "empty" });
      return;
    }
    await this.show(this.view);
  }

  /** Change the view; what it needs is fetched. */
  async change(patch: Partial<ViewState>): Promise<void> {
    const before = this.view;
    // A video that plays is not the reader's doing.
    if (Object.keys(patch).some((name) => name !== "image")) {
      this.missed = null;
      this.arrived = [];
    }
    const view = { ...before, ...patch };
    // The map of a word beside the answer has no scales, and is of no span.
    if (view.more !== before.more || view.layer !== before.layer) view.alternative = patch.alternative ?? "";
    const compared = view.compare !== "single";
    // What is compared is drawn in one range, unless the reader has chosen another.
    if (compared && before.compare === "single" && view.range === "sample") view.range = "compared";
    if (!compared && view.range === "compared") view.range = "sample";
    this.history.record(before, view);
    if (NEEDS_DATA.some((name) => view[name] !== before[name])) return this.show(view);
    this.view = this.named(view);
    this.tell();
  }

  async back(): Promise<void> {
    const view = this.history.back();
    if (view && this.index) await this.show(view);
  }

  selectToken(index: number): Promise<void> {
    if (!this.explanation) return Promise.resolve();
    const token = Math.min(answerLength(this.explanation) - 1, Math.max(0, index));
    return this.change({ token, more: 0, word: answerToken(this.explanation, token)!.text, alternative: "" });
  }

  /** Everything between the two, both included. */
  selectSpan(from: number, to: number): Promise<void> {
    if (!this.explanation) return Promise.resolve();
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    const at = (token: number) => unitAt(this.explanation!, this.view.unit, token);
    return this.change({ token: first, more: at(last) - at(first), word: answerToken(this.explanation, first)!.text, alternative: "" });
  }

  selectLayer(index: number): Promise<void> {
    const layers = this.explanation ? shownLayers(this.explanation) : [];
    const layer = layers[Math.min(layers.length - 1, Math.max(0, index))];
    return layer ? this.change({ layer: layerName(layer) }) : Promise.resolve();
  }

  moveLayer(by: number): Promise<void> {
    return this.explanation ? this.selectLayer(layerIndex(this.view, this.explanation) + by) : Promise.resolve();
  }

  /** Ask again for what failed or was damaged. */
  retry(): Promise<void> {
    this.source.forget();
    return this.refresh();
  }

  private async show(view: ViewState): Promise<void> {
    const wanted = this.shown.ask();
    this.view = resolve(this.index!, view);
    if (missingText(this.index!, view, this.view)) this.missed = { run: view.run, tag: view.tag, step: view.step };
    const { run, tag, step } = this.view;
    if (step === null) {
      this.explanation = null;
      this.settle({ kind: "damaged", message: this.sample?.lost ? LOST : "No step of this sample was kept." });
      return this.readRecords(run);
    }
    const place = { run, tag, step };
    const second = this.otherPlace;
    const wait = [place, ...(second ? [second] : [])];
    const [here, alternative = null] = wait.map((entry) => this.source.cached(entry));
    // What is held is shown at once, so that scrubbing waits for no turn of anything.
    if (here && "explanation" in here && !!alternative === !!second && this.presentHeld(here.explanation, alternative)) {
      return this.prefetch(), this.readAll(wait);
    }
    // Also where only pictures are on their way: what is said of A and B is of this place at once.
    this.busy = true;
    this.tell();
    if (!here || (second && !alternative)) this.source.dropStale(wait);
    try {
      const [result, other] = await Promise.all([this.source.load(place), second && this.source.load(second)]);
      if (!wanted()) return;
      if ("damage" in result) {
        this.explanation = null;
        this.settle({ kind: "damaged", message: result.damage });
      } else {
        await this.present(result.explanation, other, wanted);
      }
      if (wanted()) this.prefetch();
    } catch (error) {
      if (wanted()) this.fail(error);
    }
    // Behind the explanation: the records of a large run would keep the server from answering it.
    this.readAll(wait);
  }

  private readAll(places: readonly Place[]): void {
    for (const name of new Set(places.map((entry) => entry.run))) void this.readRecords(name);
  }

  private async present(explanation: Explanation, other: StepResult | null, wanted: () => boolean): Promise<void> {
    const compared = comparedOf(other);
    if (compared) this.comparing ??= await import("../words/comparing");
    const [images, otherImages] = await Promise.all([this.imageSource.of(explanation), compared && this.imageSource.of(compared)]);
    if (wanted()) this.take(explanation, images, other, otherImages);
  }

  /** False where a picture has still to come. */
  private presentHeld(explanation: Explanation, other: StepResult | null): boolean {
    const compared = comparedOf(other);
    const [images, otherImages] = [this.imageSource.held(explanation), compared && this.imageSource.held(compared)];
    const ready = images && (!compared || (otherImages && this.comparing));
    if (ready) this.take(explanation, images, other, otherImages);
    return !!ready;
  }

  private take(explanation: Explanation, images: ImageState[], other: StepResult | null, otherImages: ImageState[] | null): void {
    const compared = comparedOf(other);
    this.images = images;
    this.explanation = explanation;
    this.other = compared && { explanation: compared, images: otherImages!, pairs: this.comparing!.alignAnswers(explanation, compared) };
    this.otherTrouble = this.other ? "" : other && "damage" in other ? `B cannot be read: ${other.damage}.` : this.lacking();
    this.view = this.named({ ...this.view, token: this.tokenOf(this.view, explanation) });
    this.settle({ kind: "ready" });
  }

  private lacking(): string {
    const { compare, otherRun } = this.view;
    if (compare === "single") return "";
    const there = runNamed(this.index!, otherRun || this.view.run);
    return `The run “${otherRun}” ${there ? "has no such sample" : "is not here"}: choose another run for B.`;
  }

  /** Takes in what a reload has brought, and lets go of what it has dropped or replaced. */
  private follow(before: IndexResponse, now: IndexResponse): void {
    const { come, there, other } = reloaded(before, now);
    this.arrived = [...this.arrived, ...come].filter(there);
    for (const place of other) {
      this.source.forgetStep(place);
      this.peaks.forget(place);
    }
    for (const run of this.records.keys()) if (!now.runs.some((entry) => entry.run === run)) this.records.delete(run);
  }

  /** The selected token's text goes with its index, which a link may give beyond the answer. */
  private named(view: ViewState): ViewState {
    if (!this.explanation) return view;
    const units = answerUnits(this.explanation, view.unit);
    const at = unitAt(this.explanation, view.unit, this.tokenOf({ ...view, word: "" }, this.explanation));
    const token = units[at]!.first;
    const more = Math.min(view.more, units.length - 1 - at);
    const image = Math.min(view.image, this.explanation.views.length - 1);
    return { ...view, token, more, image, word: answerToken(this.explanation, token)!.text };
  }

  /** Where none is chosen: of two, the word that changed most. */
  private tokenOf(view: ViewState, explanation: Explanation): number {
    const changed = view.token === null && this.other ? this.comparing!.mostChanged(explanation, this.other) : null;
    return changed ?? keepToken(view, explanation);
  }

  private prefetch(): void {
    const { run, tag, step } = this.view;
    const at = this.steps.indexOf(step ?? NaN);
    const near = [...this.steps.slice(at + 1, at + 1 + STEPS_AHEAD), ...this.steps.slice(Math.max(0, at - STEPS_AHEAD), at)];
    this.source.prefetch(run, tag, this.view.film || this.view.talk === "steps" ? [...this.filmSteps] : near);
    const samples = this.run?.samples ?? [];
    const next = samples[samples.findIndex((entry) => entry.tag === tag) + 1];
    const nextStep = next && nearestStep(next.steps, step);
    if (next && nextStep !== null) this.source.prefetch(run, next.tag, [nextStep!]);
    for (const shown of [this.explanation, this.other?.explanation]) {
      if (shown) void this.source.prefetchAll(this.peaks.missing(shown, this.index));
    }
  }

  private async readRecords(run: string): Promise<void> {
    if (this.recordsAsked.has(run)) return;
    this.recordsAsked.add(run);
    try {
      this.records.set(run, await this.api.records(run));
    } catch {
      // Summaries are lost; the explanation's own request says what is wrong.
      this.records.set(run, []);
    }
    this.tell();
  }

  private fail(error: unknown): void {
    const gone = error instanceof ServerError && error.kind === "gone";
    this.settle({ kind: gone ? "gone" : "damaged", message: reason(error) });
  }

  private settle(status: Status): void {
    this.status = status;
    this.busy = false;
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
