// What the panel knows and shows: the index, the view, the explanation on screen. Elements read it
// and ask for changes; it fetches, keeps the selection and tells them when something is new.
import {
  type IndexRecord,
  type IndexResponse,
  type RunEntry,
  type SampleEntry,
  fetchImage,
  fetchIndex,
  fetchRecords,
} from "./api";
import { ByteCache } from "./byte_cache";
import { reason } from "./decode";
import { type Explanation, answerLength, answerToken } from "./explanation";
import type { ExplanationSource, Place } from "./explanation_source";
import { ServerError } from "./fetch_checked";
import { type ViewState, INITIAL_VIEW, keepToken, layerIndex, layerName, nearestStep } from "./state";

export type Status =
  | { kind: "loading" }
  | { kind: "ready" }
  | { kind: "empty" }
  | { kind: "gone"; message: string }
  | { kind: "damaged"; message: string };

export interface ImageState {
  bitmap: ImageBitmap | null;
  /** Why there is no image, when there should be one. */
  missing: string;
}

export interface SampleSummary {
  /** How many steps were logged, kept or not. */
  logged: number;
  /** The latest answer. */
  answer: string;
}

const IMAGE_CACHE_BYTES = 64 * 1024 * 1024;
const STEPS_AHEAD = 3;

export class PanelModel {
  view: ViewState;
  index: IndexResponse | null = null;
  explanation: Explanation | null = null;
  image: ImageState = { bitmap: null, missing: "" };
  status: Status = { kind: "loading" };
  /** Something is on its way, though an older view may still be shown. */
  busy = true;
  /** What the address asked for and could not be had. */
  notice = "";
  /** Per tag of the current run, from its index records. */
  summaries = new Map<string, SampleSummary>();

  private readonly images = new ByteCache<ImageBitmap>(IMAGE_CACHE_BYTES);
  private recordsOf = "";
  private listeners: (() => void)[] = [];
  private turn = 0;

  constructor(
    private readonly base: string,
    private readonly source: ExplanationSource,
    view: ViewState = INITIAL_VIEW,
  ) {
    this.view = view;
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

  /** Read the index; the selection stays where it still exists. */
  async refresh(): Promise<void> {
    const before = this.index;
    try {
      this.index = await fetchIndex(this.base);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (JSON.stringify(this.index) !== JSON.stringify(before)) this.recordsOf = "";
    if (before) this.forgetRewritten(before, this.index);
    if (!this.index.runs.some((run) => run.samples.length)) {
      this.explanation = null;
      this.settle({ kind: "empty" });
      return;
    }
    await this.show(this.view);
  }

  /** Change the view; what it needs is fetched. */
  async change(patch: Partial<ViewState>): Promise<void> {
    const before = this.view;
    this.notice = "";
    const view = { ...before, ...patch };
    const moved = view.run !== before.run || view.tag !== before.tag || view.step !== before.step;
    if (moved) return this.show(view);
    this.view = this.named(view);
    this.tell();
  }

  selectToken(index: number): Promise<void> {
    if (!this.explanation) return Promise.resolve();
    const token = Math.min(answerLength(this.explanation) - 1, Math.max(0, index));
    return this.change({ token, word: answerToken(this.explanation, token)!.text });
  }

  selectLayer(index: number): Promise<void> {
    const layers = this.explanation?.layers ?? [];
    const layer = layers[Math.min(layers.length - 1, Math.max(0, index))];
    return layer ? this.change({ layer: layerName(layer.factor) }) : Promise.resolve();
  }

  moveLayer(by: number): Promise<void> {
    if (!this.explanation) return Promise.resolve();
    return this.selectLayer(layerIndex(this.view, this.explanation) + by);
  }

  /** Ask again for what failed or was damaged. */
  retry(): Promise<void> {
    this.source.forget();
    return this.refresh();
  }

  private async show(wanted: ViewState): Promise<void> {
    const turn = ++this.turn;
    this.view = this.resolve(wanted);
    const { run, tag, step } = this.view;
    if (step === null) return this.settle({ kind: "damaged", message: "No step of this sample was kept." });
    void this.readRecords(run);
    const place = { run, tag, step };
    const cached = this.source.cached(place);
    if (!cached) {
      this.busy = true;
      this.tell();
      this.source.dropStale(place);
    }
    try {
      const result = cached ?? (await this.source.load(place));
      if (turn !== this.turn) return;
      if ("damage" in result) {
        this.explanation = null;
        this.settle({ kind: "damaged", message: result.damage });
      } else {
        await this.present(result.explanation, turn);
      }
      if (turn === this.turn) this.prefetch();
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    }
  }

  private async present(explanation: Explanation, turn: number): Promise<void> {
    const key = `${explanation.run}\n${explanation.image?.hash ?? ""}`;
    let image: ImageState = { bitmap: this.images.get(key) ?? null, missing: "" };
    if (!image.bitmap) image = await this.readImage(explanation, key);
    if (turn !== this.turn) return;
    this.image = image;
    this.explanation = explanation;
    this.view = this.named({ ...this.view, token: keepToken(this.view, explanation) });
    this.settle({ kind: "ready" });
  }

  private async readImage(explanation: Explanation, key: string): Promise<ImageState> {
    if (!explanation.image) return { bitmap: null, missing: "No image was logged with this sample." };
    try {
      const bitmap = await fetchImage(this.base, explanation.run, explanation.image.hash);
      this.images.set(key, bitmap, 4 * bitmap.width * bitmap.height);
      return { bitmap, missing: "" };
    } catch (error) {
      if (error instanceof ServerError && error.kind === "gone") throw error;
      return { bitmap: null, missing: `The image cannot be shown: ${reason(error)}` };
    }
  }

  /** The nearest existing place to what is wanted. */
  private resolve(wanted: ViewState): ViewState {
    const runs = this.index!.runs.filter((run) => run.samples.length);
    const run = runs.find((entry) => entry.run === wanted.run) ?? runs.reduce(richer);
    const sample =
      run.samples.find((entry) => entry.tag === wanted.tag) ??
      run.samples.find((entry) => entry.sample === wanted.tag.split("/").at(-1)) ??
      run.samples[0]!;
    if (wanted.run && wanted.run !== run.run) {
      this.notice = `The run “${wanted.run}” is not here; this is “${run.run}”.`;
    } else if (wanted.tag && wanted.tag !== sample.tag) {
      this.notice = `The sample “${wanted.tag}” is not in this run; this is “${sample.tag}”.`;
    }
    return { ...wanted, run: run.run, tag: sample.tag, step: nearestStep(sample.steps, wanted.step) };
  }

  private forgetRewritten(before: IndexResponse, now: IndexResponse): void {
    const times = new Map<string, number>();
    const key = (run: string, tag: string, step: number) => JSON.stringify([run, tag, step]);
    const each = (index: IndexResponse, visit: (place: Place, time: number) => void) => {
      for (const { run, samples } of index.runs) {
        for (const { tag, steps, wall_times } of samples) {
          steps.forEach((step, i) => visit({ run, tag, step }, wall_times[i]!));
        }
      }
    };
    each(before, ({ run, tag, step }, time) => times.set(key(run, tag, step), time));
    each(now, (place, time) => {
      if (times.get(key(place.run, place.tag, place.step)) !== time) this.source.forgetStep(place);
    });
  }

  /** The selected token's text goes with its index. */
  private named(view: ViewState): ViewState {
    if (!this.explanation || view.token === null) return view;
    return { ...view, word: answerToken(this.explanation, view.token)?.text ?? "" };
  }

  private prefetch(): void {
    const { run, tag, step } = this.view;
    const at = this.steps.indexOf(step ?? NaN);
    const near = [...this.steps.slice(at + 1, at + 1 + STEPS_AHEAD), ...this.steps.slice(Math.max(0, at - STEPS_AHEAD), at)];
    this.source.prefetch(run, tag, near);
    const samples = this.run?.samples ?? [];
    const next = samples[samples.findIndex((entry) => entry.tag === tag) + 1];
    const nextStep = next && nearestStep(next.steps, step);
    if (next && nextStep !== null) this.source.prefetch(run, next.tag, [nextStep!]);
  }

  private async readRecords(run: string): Promise<void> {
    if (this.recordsOf === run) return;
    this.recordsOf = run;
    let records: IndexRecord[] = [];
    try {
      records = await fetchRecords(this.base, run);
    } catch {
      // Only the count of logged steps is lost; the explanation's own request says what is wrong.
    }
    if (this.recordsOf !== run) return;
    this.summaries = summarise(records);
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

/** Without a wish, the run with the most to see comes first. */
function richer(one: RunEntry, other: RunEntry): RunEntry {
  const steps = (run: RunEntry) => run.samples.reduce((sum, sample) => sum + sample.steps.length, 0);
  return steps(other) > steps(one) ? other : one;
}

function summarise(records: IndexRecord[]): Map<string, SampleSummary> {
  const steps = new Map<string, Map<number, string>>();
  for (const { tag, step, answer } of records) {
    const answers = steps.get(tag) ?? new Map<number, string>();
    steps.set(tag, answers.set(step, answer ?? ""));
  }
  return new Map(
    [...steps].map(([tag, answers]) => {
      const latest = Math.max(...answers.keys());
      return [tag, { logged: answers.size, answer: answers.get(latest) ?? "" }];
    }),
  );
}
