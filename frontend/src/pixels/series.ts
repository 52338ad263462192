// What changed over training: one value per step, of the selected token or the whole sample.
import type { Explanation } from "../data/explanation";
import type { ViewState } from "../view/state";
import { firstOther, groundingOf, probabilityOf } from "../words/figures";
import { tokensAt } from "../view/selection";

export interface Series {
  name: string;
  /** NaN where a step has not come or has no value. */
  values: number[];
  /** 1 for shares and probabilities, else null: the ends are the values' own. */
  high: number | null;
}

/** Of the selected tokens together: probability, grounding, agreement; and the sample's metrics. */
export function seriesOf(film: readonly (Explanation | null | undefined)[], view: ViewState): Series[] {
  const over = (read: (explanation: Explanation, tokens: number[]) => number | null | undefined) =>
    film.map((explanation) => {
      if (!explanation) return NaN;
      return read(explanation, tokensAt(view, explanation)) ?? NaN;
    });
  const metrics = [...new Set(film.flatMap((explanation) => Object.keys(explanation?.metrics ?? {})))].sort();
  const all: Series[] = [
    { name: "probability", values: over(probability), high: 1 },
    { name: "grounding", values: over(groundingOf), high: 1 },
    { name: "scales agreeing", values: over(agreement), high: 1 },
    ...metrics.map((name) => ({ name, values: over((explanation) => explanation.metrics[name]), high: null })),
  ];
  return all.filter(({ values }) => values.some(Number.isFinite));
}

/** At the model's own resolution. */
function probability(explanation: Explanation, tokens: number[]): number | null {
  const agreement = explanation.layers.find(({ factor }) => (factor ?? 1) === 1)?.agreement;
  return agreement ? probabilityOf(agreement, tokens) : null;
}

/** Share of the scales at which the tokens would have been the same. */
function agreement(explanation: Explanation, tokens: number[]): number | null {
  const scales = explanation.layers.flatMap((layer) => layer.agreement ?? []);
  return scales.length ? scales.filter((scale) => firstOther(scale, tokens) === undefined).length / scales.length : null;
}
