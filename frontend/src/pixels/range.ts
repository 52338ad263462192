// Logged values are raw; the viewer normalises, in a named mode.
import type { Explanation, Layer } from "../data/explanation";
import { methodOf } from "../data/method";
import { type Heatmap, largest } from "./heatmap";
import type { ViewState } from "../view/state";
import { gainOf } from "../words/figures";
import { answerUnits, tokensOf } from "../words/units";

export interface Range {
  low: number;
  high: number;
}

/** The largest values of an explanation, or of several: what their colours are held to. */
export interface Peaks {
  /** Over all scales, so that they can be compared; the aggregate, being suppressed, has its own. */
  scales: number;
  whole: number;
  /** What the words lose without a part, in nats; 0 where it was not measured. */
  used: number;
  /** What the picture adds to a word, in nats; 0 where it was not measured. */
  gain: number;
  /** Nats lost and logits have no range in common. */
  unit: string;
  /** Of how many steps of how many. */
  steps: number;
  total: number;
}

/** In nats: a sample of which no word loses as much keeps pale. */
export const LEAST_USED = 1;

/** Over all tokens and images. */
export function peaksOf(explanation: Explanation): Peaks {
  const layers = explanation.views.flatMap((view) => view.layers);
  const used = Math.max(0, ...explanation.views.map((view) => (view.used ? largest(view.used.maxima) : 0)));
  const over = (whole: boolean) =>
    Math.max(0, ...layers.filter(({ factor }) => (factor === null) === whole).map(({ maxima }) => largest(maxima)));
  const gains = answerUnits(explanation, "words").map((group) => gainOf(explanation, tokensOf(group)) ?? 0);
  return { scales: over(false), whole: over(true), used, gain: Math.max(0, ...gains), unit: methodOf(explanation).unit, steps: 1, total: 1 };
}

/** Of both, where they measure the same. */
export function covering(one: Peaks, other: Peaks | null | undefined): Peaks {
  if (!other || other.unit !== one.unit) return one;
  const most = (key: "scales" | "whole" | "used" | "gain") => Math.max(one[key], other[key]);
  const [steps, total] = [one.steps + other.steps, one.total + other.total];
  return { ...one, scales: most("scales"), whole: most("whole"), used: most("used"), gain: most("gain"), steps, total };
}

/** The range a map of a layer is drawn in. Zero is always the low end: see-through.
 *
 * `held` are the peaks of the sample's steps, or of those of both that are compared. A sum over a
 * span may pass any of its tokens: so may `peer`, the map that is compared. */
export function rangeOf(
  explanation: Explanation,
  layer: Layer,
  map: Heatmap | null,
  view: Pick<ViewState, "range" | "fixedMax">,
  held: Peaks = peaksOf(explanation),
  peer: Heatmap | null = null,
): Range {
  if (view.range === "fixed") return { low: 0, high: view.fixedMax };
  const own = map ? largest(map.values) : 0;
  if (view.range === "map") return { low: 0, high: own };
  const peaks = view.range === "step" ? peaksOf(explanation) : held;
  const others = view.range === "compared" && peer ? largest(peer.values) : 0;
  const most = layer.used ? Math.max(LEAST_USED, peaks.used) : layer.factor === null ? peaks.whole : peaks.scales;
  return { low: 0, high: Math.max(own, others, most) };
}
