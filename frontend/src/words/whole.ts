// A whole sample in B and in A, in few figures: what was measured of both, and how many words each doubts.
import type { Explanation } from "../data/explanation";
import { directionOf } from "../samples/directions";
import type { ViewState } from "../view/state";
import { metricTerm, stepText, valueText } from "../view/text";
import { doubtfulUnits } from "./doubtful";
import { answerUnits } from "./units";

export interface Figure {
  name: string;
  /** Of the glossary. */
  term: string;
  b: string;
  a: string;
  /** Whether A is; neither where no way is good. */
  better: "better" | "worse" | "";
}

/** Of the sample's own metrics. */
const MOST = 3;

/** Metrics of which it is known which way is good come first. */
export function wholeOf(b: Explanation, a: Explanation, { unit, template }: Pick<ViewState, "unit" | "template">): Figure[] {
  const common = Object.keys(a.metrics).filter((name) => Number.isFinite(a.metrics[name]) && Number.isFinite(b.metrics[name]));
  const known = [...common].sort((one, other) => Math.abs(directionOf(other)) - Math.abs(directionOf(one)));
  const metrics = known.slice(0, MOST).map((name): Figure => {
    const [before, after] = [b.metrics[name]!, a.metrics[name]!];
    const gain = (after - before) * directionOf(name);
    return { name, term: metricTerm(name), b: valueText(before), a: valueText(after), better: gain > 0 ? "better" : gain < 0 ? "worse" : "" };
  });
  const doubts = (one: Explanation) => `${stepText(doubtfulUnits(one, unit, template).length)} of ${stepText(answerUnits(one, unit).length)}`;
  return [...metrics, { name: "doubtful", term: "rank", b: doubts(b), a: doubts(a), better: "" }];
}
