// Explanations by run, tag and step: cached by bytes, several steps per request.
import type { StepResult } from "./blobs_response";
import { ByteCache } from "./byte_cache";
import { ServerError } from "./fetch_checked";
import type { LoadReply, StepLoader } from "./step_loader";

export type { StepResult };

export interface Place {
  run: string;
  tag: string;
  step: number;
}

export const CACHE_BYTES = 192 * 1024 * 1024;
const DAMAGED_BYTES = 1000;
/** The server's own limit is 64. */
const STEPS_PER_REQUEST = 8;

interface Request {
  keys: string[];
  settle(reply: LoadReply): void;
}

const LANES = 2;

export class ExplanationSource {
  private readonly cache = new ByteCache<StepResult>(CACHE_BYTES);
  private readonly pending = new Map<string, Promise<StepResult>>();
  private readonly requests = new Map<number, Request>();
  private readonly outdated = new Set<string>();
  private readonly later = new Map<string, Place>();
  private lanes = 0;
  private nextId = 0;
  /** Called when something asked for has come. */
  onLoad: () => void = () => undefined;

  constructor(private readonly loader: StepLoader) {}

  cached(place: Place): StepResult | undefined {
    return this.cache.get(keyOf(place));
  }

  /** What the reader waits for. */
  load(place: Place): Promise<StepResult> {
    const cached = this.cached(place);
    if (cached) return Promise.resolve(cached);
    const key = keyOf(place);
    const pending = this.pending.get(key);
    if (pending) return pending;
    this.fetch(place.run, place.tag, [place.step]);
    return this.pending.get(key)!;
  }

  /** What the reader may want next: fetched together, failures kept quiet. Settled once all have come. */
  prefetch(run: string, tag: string, steps: number[]): Promise<unknown> {
    const missing = steps.filter((step) => {
      const key = keyOf({ run, tag, step });
      return !this.cache.has(key) && !this.pending.has(key);
    });
    for (let i = 0; i < missing.length; i += STEPS_PER_REQUEST) this.fetch(run, tag, missing.slice(i, i + STEPS_PER_REQUEST));
    return Promise.all(missing.map((step) => this.pending.get(keyOf({ run, tag, step }))!.catch(() => undefined)));
  }

  /** Likewise, of any runs, a few requests at once: a browser has six for a server, and the reader waits for
   * other things. */
  async prefetchAll(places: readonly Place[]): Promise<void> {
    for (const place of places) this.later.set(keyOf(place), place);
    if (this.lanes >= LANES) return;
    this.lanes++;
    for (const { run, tag } of this.later.values()) {
      const part = [...this.later.values()].filter((place) => place.run === run && place.tag === tag).slice(0, STEPS_PER_REQUEST);
      for (const place of part) this.later.delete(keyOf(place));
      await this.prefetch(run, tag, part.map(({ step }) => step));
    }
    this.lanes--;
  }

  /** Requests nobody waits for any more give way to those for `places`. */
  dropStale(places: Place[]): void {
    const keys = places.map(keyOf);
    this.later.clear();
    for (const [id, request] of this.requests) {
      if (request.keys.some((key) => keys.includes(key))) continue;
      this.loader.cancel(id);
      this.requests.delete(id);
      request.settle({ failure: { kind: "refused", message: "no longer wanted" } });
    }
  }

  forget(): void {
    this.cache.clear();
  }

  /** A resumed training has logged this step again: what is held, or on its way, may be the old record. */
  forgetStep(place: Place): void {
    const key = keyOf(place);
    this.cache.delete(key);
    if (this.pending.has(key)) this.outdated.add(key);
  }

  private fetch(run: string, tag: string, steps: number[]): void {
    const id = this.nextId++;
    const keys = steps.map((step) => keyOf({ run, tag, step }));
    const reply = new Promise<LoadReply>((settle) => this.requests.set(id, { keys, settle }));
    const settled = reply.then((answer) => {
      this.requests.delete(id);
      for (const key of keys) this.pending.delete(key);
      if ("failure" in answer) return answer;
      // An answer has a largest size: what did not fit is asked for again, if anything did.
      const rest = steps.filter((step) => !answer.results.some((entry) => entry.step === step));
      if (rest.length < steps.length) this.prefetch(run, tag, rest);
      return answer;
    });
    steps.forEach((step, i) => this.pending.set(keys[i]!, settled.then((answer) => this.take(answer, { run, tag, step }))));
    void this.loader.load(id, run, tag, steps).then((answer) => this.requests.get(id)?.settle(answer));
    void settled.then(() => this.onLoad());
  }

  private take(reply: LoadReply, place: Place): StepResult | Promise<StepResult> {
    const key = keyOf(place);
    const outdated = this.outdated.delete(key);
    if ("failure" in reply) throw new ServerError(reply.failure.kind, reply.failure.message);
    if (outdated) return this.load(place);
    const result = reply.results.find((entry) => entry.step === place.step);
    const again = this.pending.get(key);
    if (!result && again) return again;
    if (!result) throw new ServerError("refused", "The server's answer lacks this step.");
    const bytes = "explanation" in result ? result.explanation.bytes : DAMAGED_BYTES;
    this.cache.set(key, result, bytes);
    return result;
  }
}

function keyOf({ run, tag, step }: Place): string {
  return JSON.stringify([run, tag, step]);
}
