// What changed over training: one value per step, of the selected token or the whole sample.
import type { Explanation } from "../data/explanation";
import type { ViewState } from "../view/state";
import { agreeing, gainOf, groundingOf, ownAgreement, probabilityOf } from "../words/figures";
import { tokensAt } from "../view/selection";
import { metricTerm } from "../view/text";

export interface Series {
  name: string;
  /** Of the glossary. */
  term: string;
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
    { name: "probability", term: "probability", values: over(probability), high: 1 },
    { name: "picture adds, nats", term: "image_gain", values: over(gainOf), high: null },
    { name: "share on picture", term: "grounding", values: over(groundingOf), high: 1 },
    { name: "scales agreeing", term: "agreement", values: over(agreement), high: 1 },
    ...metrics.map((name) => ({ name: name === "image_gain" ? "picture adds, mean" : name, term: metricTerm(name), values: over((explanation) => explanation.metrics[name]), high: null })),
  ];
  return all.filter(({ values }) => values.some(Number.isFinite));
}

function probability(explanation: Explanation, tokens: number[]): number | null {
  const agreement = ownAgreement(explanation);
  return agreement && probabilityOf(agreement, tokens);
}

/** Share of the scales at which the tokens would have been the same. */
function agreement(explanation: Explanation, tokens: number[]): number | null {
  const [agree, scales] = agreeing(explanation, tokens);
  return scales ? agree / scales : null;
}
