// From what the address wants to what is there: run, sample and step, of A and of B.
import type { IndexResponse, RunEntry, SampleEntry } from "./api";
import type { Place } from "./explanation_source";
import { type ViewState, nearestStep } from "./state";

export interface Resolved {
  view: ViewState;
  /** What was wanted and is not here; empty if all is. */
  notice: string;
}

/** The nearest existing place to what is wanted. */
export function resolve(index: IndexResponse, wanted: ViewState): Resolved {
  const runs = index.runs.filter((entry) => entry.samples.length);
  const run = runs.find((entry) => entry.run === wanted.run) ?? runs.reduce(richer);
  const sample = sampleLike(run, wanted.tag) ?? run.samples[0]!;
  let notice = "";
  if (wanted.run && wanted.run !== run.run) {
    notice = `The run “${wanted.run}” is not here; this is “${run.run}”.`;
  } else if (wanted.tag && wanted.tag !== sample.tag) {
    notice = `The sample “${wanted.tag}” is not in this run; this is “${sample.tag}”.`;
  }
  return { view: { ...wanted, run: run.run, tag: sample.tag, step: nearestStep(sample.steps, wanted.step) }, notice };
}

/** B: the run and step wanted, else the step before A's in A's run (or the one after the first).
 * Null where that run is not there or lacks the very sample: another would be compared unawares. */
export function otherPlace(index: IndexResponse, view: ViewState): Place | null {
  const name = view.otherRun || view.run;
  const run = index.runs.find((entry) => entry.run === name);
  const sample = run?.samples.find((entry) => entry.tag === view.tag);
  if (!sample?.steps.length) return null;
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
