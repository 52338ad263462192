// What of B stands beside A.
import { type Explanation, type View, seenAt } from "../data/explanation";
import type { StepResult } from "../data/explanation_source";

export function comparedOf(other: StepResult | null): Explanation | null {
  return other && "explanation" in other ? other.explanation : null;
}

/** Which of another explanation's views shows what is in view of the one shown; another one would mislead. */
export function likeView(shown: Explanation | null, at: number, { views }: Explanation): number {
  const key = (view?: View) => view && `${view.picture}:${view.seconds}`;
  const wanted = key(shown?.views[at]);
  // Frames may share their times.
  return key(views[at]) === wanted ? at : views.findIndex((view) => key(view) === wanted);
}

/** A step as the film shows it: null until it has come, undefined where it is damaged. */
export function inFilm(result: StepResult | undefined, shown: Explanation | null, image: number): Explanation | null | undefined {
  if (!result) return null;
  if (!("explanation" in result)) return undefined;
  const { explanation } = result;
  const at = likeView(shown, image, explanation);
  return at < 0 ? { ...explanation, layers: explanation.layers.map((layer) => ({ ...layer, values: null })) } : seenAt(explanation, at);
}
