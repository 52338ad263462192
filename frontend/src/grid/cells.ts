// One sample's selected word at the checkpoints of every run: which cells there are, and what each shows.
import type { IndexResponse } from "../data/api";
import { type Explanation, answerToken, shownLayers } from "../data/explanation";
import { type Heatmap, largest, spanMap } from "../pixels/heatmap";
import { keepToken, layerIndex, layerName, tokensAt } from "../view/selection";
import type { ViewState } from "../view/state";
import { spread } from "../view/steps";
import { insteadOf, ownAgreement, probabilityOf } from "../words/figures";

export interface Row {
  run: string;
  /** Those logged. */
  steps: readonly number[];
}

/** The runs that have the sample, in the index's order. */
export function rowsOf(index: IndexResponse, tag: string): Row[] {
  return index.runs.flatMap(({ run, samples }) => {
    const steps = samples.find((entry) => entry.tag === tag)?.steps ?? [];
    return steps.length ? [{ run, steps }] : [];
  });
}

/** The steps of all runs, or as many as have room: always each run's first and last, and the one in view. */
export function columnsOf(rows: readonly Row[], room: number, shown: number | null): { columns: number[]; total: number } {
  const all = [...new Set(rows.flatMap(({ steps }) => steps))].sort((one, other) => one - other);
  const kept = new Set(spread(all, room, shown));
  if (kept.size < all.length) for (const { steps } of rows) kept.add(steps[0]!).add(steps.at(-1)!);
  return { columns: all.filter((step) => kept.has(step)), total: all.length };
}

export interface Cell {
  map: Heatmap | null;
  probability: number | null;
  /** What the model would have said; empty where it is the word. */
  instead: string;
  /** The answer of that step has the word. */
  there: boolean;
}

export function cellOf(explanation: Explanation, view: ViewState): Cell {
  const there = !view.word || answerToken(explanation, keepToken(view, explanation))?.text === view.word;
  if (!there) return { map: null, probability: null, instead: "", there };
  const tokens = tokensAt(view, explanation);
  const layer = shownLayers(explanation)[layerIndex(view, explanation)]!;
  const agreement = ownAgreement(explanation);
  return {
    map: layerName(layer) === view.layer ? spanMap(layer, tokens, view.combine) : null,
    probability: agreement && probabilityOf(agreement, tokens),
    instead: insteadOf(explanation, tokens)?.text.trim() ?? "",
    there,
  };
}

/** One end of the colours for all of them. */
export function highOf(cells: Iterable<Cell | null | undefined>, view: Pick<ViewState, "range" | "fixedMax">): number {
  if (view.range === "fixed") return view.fixedMax;
  let high = 0;
  for (const cell of cells) if (cell?.map) high = Math.max(high, largest(cell.map.values));
  return high;
}
