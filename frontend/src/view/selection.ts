// What a view selects in an explanation: tokens, a layer, a step.
import { type Explanation, type Layer, answerLength, answerToken, mapOf, shownLayers } from "../data/explanation";
import { methodOf } from "../data/method";
import { answerUnits, tokensOf, unitAt } from "../words/units";
import { AGGREGATE, USED, type ViewState } from "./state";
import { factorText } from "./text";

type Selection = Pick<ViewState, "token" | "more" | "unit">;

/** The selected tokens, within the answer: those of whole words, where words are read. */
export function selectedTokens({ token, more, unit }: Selection, explanation: Explanation): number[] {
  const units = answerUnits(explanation, unit);
  const at = unitAt(explanation, unit, token ?? 0);
  return tokensOf({ first: units[at]!.first, end: units[Math.min(units.length - 1, at + more)]!.end });
}

/** The same tokens in another step's answer. */
export function tokensAt(view: ViewState, explanation: Explanation): number[] {
  return selectedTokens({ ...view, token: keepToken(view, explanation) }, explanation);
}

/** The token to select in `explanation`: same index and word, else the nearest same word, else
 * the same index; on first sight the token that points most clearly. */
export function keepToken(view: ViewState, explanation: Explanation): number {
  const length = answerLength(explanation);
  if (view.token === null) return clearest(explanation);
  const index = Math.max(0, Math.min(view.token, length - 1));
  const same = (i: number) => answerToken(explanation, i)?.text === view.word;
  if (!view.word || same(index)) return index;
  for (let distance = 1; distance < length; distance++) {
    for (const i of [index - distance, index + distance]) if (i >= 0 && i < length && same(i)) return i;
  }
  return index;
}

/** The most grounded token, where that is known, whose map is not spread over the whole image. */
function clearest(explanation: Explanation): number {
  const aggregate = explanation.layers.at(-1)!;
  const known = explanation.grounding.some((grounding) => grounding !== null);
  const scores = explanation.grounding.map((grounding, token) => {
    const values = mapOf(aggregate, token);
    if (!values || (known && !grounding) || answerToken(explanation, token)?.special) return 0;
    const peak = aggregate.maxima[token]!;
    const mean = values.reduce((sum, value) => sum + (value || 0), 0) / values.length;
    return (grounding ?? 1) * (peak - mean);
  });
  return scores.indexOf(Math.max(...scores));
}

/** The layer named in the view, or the aggregate where this sample lacks it. */
export function layerIndex(view: Pick<ViewState, "layer">, explanation: Explanation): number {
  const found = shownLayers(explanation).findIndex((layer) => layerName(layer) === view.layer);
  return found < 0 ? explanation.layers.length - 1 : found;
}

export function layerName({ factor, used }: Pick<Layer, "factor" | "used">): string {
  return used ? USED : factor === null ? AGGREGATE : String(factor);
}

/** What a layer is called where it stands beside others. */
export function cardText(explanation: Explanation, { factor, used }: Layer): string {
  return used ? "used" : factor === null ? methodOf(explanation).whole : factorText(factor);
}

/** The step wanted if it was kept, else the nearest one; the last when none is wanted. */
export function nearestStep(steps: readonly number[], wanted: number | null): number | null {
  if (wanted === null) return steps.at(-1) ?? null;
  return steps.reduce<number | null>(
    (best, step) => (best === null || Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best),
    null,
  );
}
