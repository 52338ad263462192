// What of B stands beside A.
import type { Explanation, View } from "../data/explanation";
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
