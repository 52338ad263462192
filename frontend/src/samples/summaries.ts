// What a run's index records say of each of its samples.
import type { IndexRecord } from "../data/api";

export interface SampleSummary {
  /** How many steps were logged, kept or not. */
  logged: number;
  /** The latest answer. */
  answer: string;
}

/** By tag. */
export function summarise(records: readonly IndexRecord[]): Map<string, SampleSummary> {
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
