// What a stage draws of a word beside the answer: one that was not said, or of the prompt.
import type { Explanation } from "../data/explanation";
import { methodOf } from "../data/method";
import { alternativeOf } from "../words/alternative";
import { alternativeText } from "../words/alternative_note";
import { type Heatmap, spanMap } from "./heatmap";
import { rangeOf } from "./range";
import { type Side, type StagePicture, captionOf, damageText, named, namedBy, pictureOf, sizeOf } from "./stage_picture";
import type { ViewState } from "../view/state";

export { alternativeNote } from "../words/alternative_note";

/** Its map where one is in view, else that of the selected words. */
export function pictureInView(side: Side, view: ViewState, peer: Side | null = null): StagePicture {
  const alternative = alternativeOf(side.explanation, view);
  return alternative === null ? pictureOf(side, view, peer) : alternativePicture(side, view, alternative);
}

function alternativePicture(side: Side, view: ViewState, alternative: number): StagePicture {
  const { explanation, image } = side;
  const layer = explanation.alternative!;
  const map = spanMap(layer, [alternative], "mean");
  const layerText = named(explanation, layer);
  return {
    image,
    size: sizeOf(side, layer),
    map,
    range: rangeOf(explanation, layer, view.range === "map" ? map : brightest(explanation, alternative), view, side.held),
    colors: view.colors,
    caption: captionOf(explanation, alternativeText(explanation, explanation.alternatives[alternative]!), layerText),
    layerText,
    unit: methodOf(explanation).unit,
    alternative: true,
    objects: namedBy(explanation, []),
    trouble: damageText(layer) || image.missing,
  };
}

/** The word's map on the image where it is the strongest: one range for all of them. */
function brightest({ views }: Explanation, alternative: number): Heatmap | null {
  const peaks = views.map((view) => view.alternative!.maxima[alternative]!);
  return spanMap(views[peaks.indexOf(Math.max(...peaks))]!.alternative!, [alternative], "mean");
}
