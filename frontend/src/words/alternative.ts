// What can be shown instead of the selected tokens: words that were not said, words of the prompt.
import { type Alternative, type Explanation } from "../data/explanation";
import type { ViewState } from "../view/state";

/** Stable from step to step, as an index would not be. */
export function alternativeKey({ context, candidate }: Alternative): string {
  return `${context}:${candidate.id}`;
}

/** Which of the alternatives is in view; null for none, or while comparing: B may lack it. */
export function alternativeOf(explanation: Explanation, view: Pick<ViewState, "alternative" | "compare">): number | null {
  const at = explanation.alternatives.findIndex((entry) => alternativeKey(entry) === view.alternative);
  return at < 0 || view.compare !== "single" ? null : at;
}
