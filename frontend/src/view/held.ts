// What a sample's colours are held to: the largest values of its steps, so that more is more at any of
// them. Nats are held to the other runs' last steps, too: a run that has little must not look full.
import type { ExplanationSource, Place } from "../data/explanation_source";
import type { IndexResponse } from "../data/api";
import type { Explanation } from "../data/explanation";
import { type Peaks, covering, peaksOf } from "../pixels/range";
import { spread } from "./steps";

/** Read ahead for the sake of a range: a sample may have gigabytes. */
const READ_BYTES = 16 * 1024 * 1024;

type Sample = { run: string; tag: string };

export class HeldPeaks {
  /** Kept when the explanation itself has given way to others. */
  private readonly known = new Map<string, Peaks>();
  private readonly last = new Map<string, Peaks>();

  constructor(private readonly source: ExplanationSource) {}

  /** Over the steps that have been read; the same object while nothing has changed. */
  over(explanation: Explanation, index: IndexResponse | null): Peaks {
    const { run, tag } = explanation;
    const own = this.at(explanation, explanation.step) ?? peaksOf(explanation);
    const steps = stepsOf(index, explanation);
    let [peaks, read] = [own, 0];
    for (const step of steps) {
      const found = this.at({ run, tag }, step);
      if (!found) continue;
      read++;
      peaks = covering(peaks, found);
    }
    const others = this.others(explanation, index);
    for (const place of others) {
      const found = this.at(place, place.step);
      if (!found) continue;
      read++;
      peaks = { ...peaks, gain: Math.max(peaks.gain, found.gain), used: Math.max(peaks.used, found.used) };
    }
    peaks = { ...peaks, steps: read, total: steps.length + others.length };
    const key = JSON.stringify([run, tag, own.unit]);
    const last = this.last.get(key);
    if (last && JSON.stringify(last) === JSON.stringify(peaks)) return last;
    this.last.set(key, peaks);
    return peaks;
  }

  /** What is to be read for it: not known yet, and no more than have room. */
  missing(explanation: Explanation, index: IndexResponse | null): Place[] {
    const { run, tag } = explanation;
    const steps = spread(stepsOf(index, explanation), roomFor(explanation), null);
    const wanted = [...steps.map((step) => ({ run, tag, step })), ...this.others(explanation, index)];
    return wanted.filter((place) => !this.at(place, place.step));
  }

  /** The last step of other runs that have the sample. */
  private others({ run, tag, bytes }: Explanation, index: IndexResponse | null): Place[] {
    const runs = (index?.runs ?? []).filter((entry) => entry.run !== run).slice(0, Math.max(1, roomFor({ bytes })));
    return runs.flatMap((entry) => {
      const step = stepsOf(index, { run: entry.run, tag }).at(-1);
      return step === undefined ? [] : { run: entry.run, tag, step };
    });
  }

  /** Of steps that were logged anew. */
  forget(place: Place): void {
    this.known.delete(keyOf(place, place.step));
  }

  private at(sample: Sample, step: number): Peaks | undefined {
    const key = keyOf(sample, step);
    const known = this.known.get(key);
    if (known) return known;
    const result = this.source.cached({ ...sample, step });
    if (!result || !("explanation" in result)) return undefined;
    const peaks = peaksOf(result.explanation);
    this.known.set(key, peaks);
    return peaks;
  }
}

function roomFor({ bytes }: Pick<Explanation, "bytes">): number {
  return Math.floor(READ_BYTES / bytes);
}

function keyOf({ run, tag }: Sample, step: number): string {
  return JSON.stringify([run, tag, step]);
}

function stepsOf(index: IndexResponse | null, { run, tag }: Sample): readonly number[] {
  return index?.runs.find((entry) => entry.run === run)?.samples.find((entry) => entry.tag === tag)?.steps ?? [];
}
