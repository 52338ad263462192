// What changed over training: one value per step, of the selected token or the whole sample.
import type { Explanation } from "../data/explanation";
import type { ViewState } from "../view/state";
import { tokensAt } from "../view/selection";

export interface Series {
  name: string;
  /** NaN where a step has not come or has no value. */
  values: number[];
  /** 1 for shares and probabilities, else null: the ends are the values' own. */
  high: number | null;
}

/** Of the first selected token: probability, grounding, agreement; and the sample's metrics. */
export function seriesOf(film: readonly (Explanation | null | undefined)[], view: ViewState): Series[] {
  const over = (read: (explanation: Explanation, token: number) => number | null | undefined) =>
    film.map((explanation) => {
      if (!explanation) return NaN;
      const token = tokensAt(view, explanation)[0]!;
      return read(explanation, token) ?? NaN;
    });
  const metrics = [...new Set(film.flatMap((explanation) => Object.keys(explanation?.metrics ?? {})))].sort();
  const all: Series[] = [
    { name: "probability", values: over(probability), high: 1 },
    { name: "grounding", values: over((explanation, token) => explanation.grounding[token]), high: 1 },
    { name: "scales agreeing", values: over(agreement), high: 1 },
    ...metrics.map((name) => ({ name, values: over((explanation) => explanation.metrics[name]), high: null })),
  ];
  return all.filter(({ values }) => values.some(Number.isFinite));
}

/** At the model's own resolution. */
function probability(explanation: Explanation, token: number): number | null | undefined {
  return explanation.layers.find((layer) => layer.factor === 1)?.agreement?.probability[token];
}

/** Share of the scales at which the token would have been the same. */
function agreement(explanation: Explanation, token: number): number | null {
  const ranks = explanation.layers.flatMap((layer) => layer.agreement?.rank[token] ?? []);
  return ranks.length ? ranks.filter((rank) => rank === 0).length / ranks.length : null;
}
