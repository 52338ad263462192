// From what the address wants to what is there: run, sample and step, of A and of B.
import type { IndexResponse, RunEntry, SampleEntry } from "../data/api";
import type { Place } from "../data/explanation_source";
import type { ViewState } from "./state";
import { nearestStep } from "./selection";
import { sampleName, stepText } from "./text";

type Wanted = Pick<ViewState, "run" | "tag" | "step">;

/** The nearest existing place to what is wanted. */
export function resolve(index: IndexResponse, wanted: ViewState): ViewState {
  const runs = index.runs.filter((entry) => entry.samples.length);
  const run = runNamed(index, wanted.run) ?? runs.reduce(richer);
  const sample = sampleLike(run, wanted.tag) ?? run.samples.find(({ steps }) => steps.length) ?? run.samples[0]!;
  return { ...wanted, run: run.run, tag: sample.tag, step: nearestStep(sample.steps, wanted.step) };
}

/** What was wanted and is not here, in place of what is shown; empty if all is. */
export function missingText(index: IndexResponse, wanted: Wanted, shown: Wanted): string {
  const run = runNamed(index, wanted.run);
  if (wanted.run && !run) return `The run “${wanted.run}” is not here; this is “${shown.run}”.`;
  const there = !wanted.tag || (run ?? runNamed(index, shown.run))?.samples.some(({ tag }) => tag === wanted.tag);
  if (!there) return `The sample “${sampleName(wanted.tag)}” is not in this run; this is “${sampleName(shown.tag)}”.`;
  const { step } = wanted;
  // Of another run or sample it says nothing: who asked for it is told of that.
  if (run && run.run !== shown.run) return "";
  const kept = runNamed(index, shown.run)?.samples.find(({ tag }) => tag === shown.tag)?.steps ?? [];
  if (step === null || shown.step === null || kept.includes(step)) return "";
  return `Step ${stepText(step)} of this sample is not here; this is step ${stepText(shown.step)}.`;
}

/** A run by its name, or by that of a directory that is part of it. */
export function runNamed(index: IndexResponse, name: string): RunEntry | undefined {
  const runs = index.runs.filter((entry) => entry.samples.length);
  return runs.find(({ run }) => run === name) ?? runs.find(({ starts }) => starts?.includes(name));
}

/** B: the run and step wanted, else the step before A's in A's run (or the one after the first).
 * Null where that run is not there or lacks the very sample: another would be compared unawares. */
export function otherPlace(index: IndexResponse, view: ViewState): Place | null {
  const run = runNamed(index, view.otherRun || view.run);
  const sample = run?.samples.find((entry) => entry.tag === view.tag);
  if (!run || !sample?.steps.length) return null;
  const name = run.run;
  const { tag, steps } = sample;
  if (view.otherStep !== null) return { run: name, tag, step: nearestStep(steps, view.otherStep)! };
  if (name !== view.run) return { run: name, tag, step: nearestStep(steps, view.step)! };
  const at = steps.indexOf(view.step ?? NaN);
  return { run: name, tag, step: steps[at > 0 ? at - 1 : Math.min(1, steps.length - 1)]! };
}

export function sampleLike(run: RunEntry, tag: string): SampleEntry | undefined {
  return (
    run.samples.find((entry) => entry.tag === tag) ??
    run.samples.find((entry) => entry.sample === tag.split("/").at(-1))
  );
}

/** Without a wish, the run with the most to see comes first. */
function richer(one: RunEntry, other: RunEntry): RunEntry {
  const steps = (run: RunEntry) => run.samples.reduce((sum, sample) => sum + sample.steps.length, 0);
  return steps(other) > steps(one) ? other : one;
}

/** Every step that can be opened, with the time it was logged at. */
export function placesOf(index: IndexResponse): Map<string, { place: Place; time: number }> {
  const places = new Map<string, { place: Place; time: number }>();
  for (const { run, samples } of index.runs) {
    for (const { tag, steps, wall_times } of samples) {
      steps.forEach((step, i) => {
        const place = { run, tag, step };
        places.set(JSON.stringify(place), { place, time: wall_times[i]! });
      });
    }
  }
  return places;
}
