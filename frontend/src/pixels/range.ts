// Logged values are raw; the viewer normalises, in a named mode.
import type { Explanation, Layer } from "../data/explanation";
import { methodOf } from "../data/method";
import { type Heatmap, largest } from "./heatmap";
import type { ViewState } from "../view/state";

export interface Range {
  low: number;
  high: number;
}

/** The range a map of a layer is drawn in. Zero is always the low end: see-through.
 *
 * "This sample" takes the largest value over all tokens and images and, for the raw scales, over all scales,
 * so that they can be compared; the aggregate, being suppressed, has a range of its own. "Both
 * compared" takes the larger of the two samples'. A sum over a span may pass any of its tokens. */
export function rangeOf(
  explanation: Explanation,
  layer: Layer,
  map: Heatmap | null,
  view: Pick<ViewState, "range" | "fixedMax">,
  other: { explanation: Explanation; map: Heatmap | null } | null = null,
): Range {
  if (view.range === "fixed") return { low: 0, high: view.fixedMax };
  const own = map ? largest(map.values) : 0;
  if (view.range === "map") return { low: 0, high: own };
  // Nor do logits and nats have a range in common.
  const compared = view.range === "compared" && other && methodOf(other.explanation) === methodOf(explanation) ? other : null;
  const shown = compared ? [explanation, compared.explanation] : [explanation];
  const peers = shown.flatMap(({ views }) => views.flatMap(({ layers }) => layers)).filter((peer) => (peer.factor === null) === (layer.factor === null));
  const others = compared?.map ? largest(compared.map.values) : 0;
  return { low: 0, high: Math.max(own, others, ...peers.map((peer) => largest(peer.maxima))) };
}

