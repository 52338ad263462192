// Logged values are raw; the viewer normalises, in a named mode.
import type { Explanation, Layer } from "./explanation";
import type { ViewState } from "./state";

export interface Range {
  low: number;
  high: number;
}

/** The range a layer's map of one token is drawn in. Zero is always the low end: see-through.
 *
 * "This sample" takes the largest value over all tokens and, for the raw scales, over all scales,
 * so that they can be compared; the aggregate, being suppressed, has a range of its own. */
export function rangeOf(
  explanation: Explanation,
  layer: Layer,
  token: number,
  view: Pick<ViewState, "range" | "fixedMax">,
): Range {
  if (view.range === "fixed") return { low: 0, high: view.fixedMax };
  if (view.range === "map") return { low: 0, high: layer.maxima[token] ?? 0 };
  const peers = explanation.layers.filter((other) => (other.factor === null) === (layer.factor === null));
  return { low: 0, high: Math.max(...peers.map((peer) => largest(peer.maxima))) };
}

function largest(values: Float32Array): number {
  return values.reduce((best, value) => (value > best ? value : best), 0);
}
