// What a stage draws of two explanations: the difference of their maps.
import { differenceColors } from "./color";
import { shownLayers } from "../data/explanation";
import { methodOf } from "../data/method";
import { type Heatmap, largestSize, sameLayer, spanMap } from "./heatmap";
import { resize } from "./resize";
import { type Side, type StagePicture, captionOf, named, namedBy, sizeOf, unitOf, wordsText } from "./stage_picture";
import type { ViewState } from "../view/state";
import { layerIndex } from "../view/selection";

/** A minus B. */
export function differenceOf(a: Side, b: Side, view: ViewState): StagePicture {
  const layer = shownLayers(a.explanation)[layerIndex(view, a.explanation)]!;
  const counterpart = sameLayer(b.explanation, layer);
  const mixed = !layer.used && methodOf(a.explanation) !== methodOf(b.explanation);
  const first = spanMap(layer, a.tokens, view.combine);
  const second = counterpart ? spanMap(counterpart, b.tokens, view.combine) : null;
  const map = first && second && !mixed ? difference(first, second) : null;
  // Where nothing differs the middle colour must say so: any range but an empty one.
  const high = view.range === "fixed" ? view.fixedMax : (map && largestSize(map.values)) || 1;
  const layerText = map ? named(a.explanation, { ...layer, ...map }) : "";
  return {
    image: a.image,
    size: sizeOf(a, layer),
    map,
    range: { low: -high, high },
    colors: differenceColors(view.colors),
    caption: captionOf(a.explanation, `${wordsText(a.explanation, a.tokens, view)} · A − B`, layerText),
    layerText,
    unit: unitOf(a.explanation, layer),
    alternative: false,
    objects: namedBy(a.explanation, a.tokens),
    trouble: map ? a.image.missing : `No map in common here: B ${mixed ? "was explained by another method" : "lacks the token, the image or the scale"}.`,
  };
}

/** A minus B, on the finer of the two grids. */
export function difference(a: Heatmap, b: Heatmap): Heatmap {
  const { rows, cols } = a.rows * a.cols >= b.rows * b.cols ? a : b;
  const [first, second] = [resize(a, rows, cols), resize(b, rows, cols)];
  return { rows, cols, values: first.map((value, i) => value - second[i]!) };
}
