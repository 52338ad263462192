// What was looked at in a debugger: an expression is a run, a stop of the program a step.
import type { EmbeddedData } from "./embedded";

export function nothingLookedAt(): EmbeddedData {
  return { version: 1, index: { version: 1, runs: [] }, records: {}, images: {}, explanations: [], view: {} };
}

/** What is kept of it; the earliest stop goes first. */
const MOST_EXPLANATIONS = 64;

/** Adds a look to those before; the view that shows it. */
export function addLook(all: EmbeddedData, look: EmbeddedData, expression: string): Record<string, string> {
  const again = ({ run, tag, step }: { run: string; tag: string; step: number }) =>
    run === expression && look.explanations.some((entry) => entry.tag === tag && entry.step === step);
  const kept = all.explanations.filter((entry) => !again(entry));
  const added = look.explanations.map((entry) => ({ ...entry, run: expression }));
  all.explanations = [...kept, ...added].slice(-Math.max(MOST_EXPLANATIONS, added.length));
  all.images = { ...all.images, ...look.images };
  const records = Object.values(look.records).flat();
  const earlier = (all.records[expression] ?? []).filter((record) => !again({ ...record, run: expression }));
  all.records[expression] = [...earlier, ...records];
  all.index = indexOf(all);
  const { tag, step } = added[0]!;
  return { run: expression, tag, step: String(step) };
}

function indexOf(all: EmbeddedData): EmbeddedData["index"] {
  const runs = [...new Set(all.explanations.map(({ run }) => run))].map((run) => {
    const own = all.explanations.filter((entry) => entry.run === run);
    const samples = [...new Set(own.map(({ tag }) => tag))].map((tag) => {
      const steps = own.filter((entry) => entry.tag === tag).map(({ step }) => step).sort((one, other) => one - other);
      const [, set = "", ...sample] = tag.split("/");
      return { tag, set, sample: sample.join("/"), steps, wall_times: steps.map(() => NaN) };
    });
    const images = (all.records[run] ?? []).flatMap(({ image }) => image ?? []);
    return { run, samples, images: [...new Set(images)] };
  });
  return { version: 1, runs };
}
