// What a stage draws of the selected words.
import type { ColorMap } from "./color";
import { type Explanation, type Layer, type ObjectMask, shownLayers } from "../data/explanation";
import { LOST, methodOf } from "../data/method";
import { type ImageState, NO_SUCH_IMAGE } from "../data/images";
import type { Size } from "./geometry";
import { type Heatmap, spanMap } from "./heatmap";
import { seenName } from "./seen";
import { type Peaks, type Range, covering, peaksOf, rangeOf } from "./range";
import { USED, type ViewState } from "../view/state";
import { layerIndex, layerName, selectedTokens } from "../view/selection";
import { factorText } from "../view/text";
import { unitsText } from "../words/units";

export interface StagePicture {
  image: ImageState;
  /** Of the image in pixels, or of the grid where there is no image. */
  size: Size;
  map: Heatmap | null;
  range: Range;
  colors: ColorMap;
  caption: string;
  layerText: string;
  /** Of the map's values. */
  unit: string;
  /** The map is not the selected tokens'. */
  alternative: boolean;
  /** What the words name; null where no masks were logged. */
  objects: ObjectMask[] | null;
  /** Why something is missing. */
  trouble: string;
}

/** One side of a comparison, or the only one: an explanation and which of its tokens are shown. */
export interface Side {
  explanation: Explanation;
  image: ImageState;
  tokens: number[];
  /** Of its sample's steps. */
  held: Peaks;
}

/** `peer` is the other side of a comparison: the range may have to cover both. */
export function pictureOf(side: Side, view: ViewState, peer: Side | null = null): StagePicture {
  const { explanation, image, tokens } = side;
  const [layer, map] = shownOf(side, view, peer !== null);
  const [peerLayer, peerMap] = peer && sameUnit(side, peer) ? shownOf(peer, view, true) : [layer, null];
  // Another scale in its place would be compared unawares.
  const lacking = peer && !matches(layer, view) ? view.layer === USED ? "Which cells were used was not measured here." : `Nothing was logged here at scale ${view.layer}.` : "";
  const layerText = lacking ? "" : named(explanation, layer);
  return {
    image,
    size: sizeOf(side, layer),
    map,
    range: rangeOf(explanation, lacking ? peerLayer : layer, map, view, heldBy(side, peer, view), peerMap),
    colors: view.colors,
    caption: tokens.length ? captionOf(explanation, wordsText(explanation, tokens, view), layerText || "no such scale") : image === NO_SUCH_IMAGE ? "" : "no such token here",
    layerText,
    unit: unitOf(explanation, lacking ? peerLayer : layer),
    alternative: false,
    objects: namedBy(explanation, tokens),
    trouble: lacking || damageText(layer) || image.missing,
  };
}

export function namedBy({ objects }: Explanation, words: number[]): ObjectMask[] | null {
  return objects?.length ? objects.filter(({ tokens }) => tokens.some((token) => words.includes(token))) : null;
}

export function captionOf(explanation: Explanation, words: string, layerText: string): string {
  return [words, seenName(explanation), layerText].filter(Boolean).join(" · ");
}

export function damageText({ damage }: Layer): string {
  return damage ? `This map is damaged: ${damage}. The others can still be read.` : "";
}

/** The layer in view and its map; while comparing, no map of another scale than the one in view. */
function shownOf({ explanation, tokens }: Side, view: ViewState, comparing: boolean): [Layer, Heatmap | null] {
  const layer = shownLayers(explanation)[layerIndex(view, explanation)]!;
  return [layer, comparing && !matches(layer, view) ? null : spanMap(layer, tokens, view.combine)];
}

function matches(layer: Layer, view: ViewState): boolean {
  return layerName(layer) === view.layer;
}

export function sideOf(explanation: Explanation, image: ImageState, view: ViewState, held = peaksOf(explanation)): Side {
  return { explanation, image, tokens: selectedTokens(view, explanation), held };
}

/** What its colours are held to: both sides' peaks, where one range is drawn. */
export function heldBy(side: Side, peer: Side | null, view: Pick<ViewState, "range">): Peaks {
  return view.range === "compared" ? covering(side.held, peer?.held) : side.held;
}

function sameUnit(side: Side, peer: Side): boolean {
  return methodOf(side.explanation) === methodOf(peer.explanation);
}

export function sizeOf({ explanation, image }: Side, layer: { rows: number; cols: number }): Size {
  const known = image.bitmap ?? explanation.image;
  return known ? { width: known.width, height: known.height } : { width: layer.cols, height: layer.rows };
}

export function wordsText(explanation: Explanation, tokens: number[], view: ViewState): string {
  const words = unitsText(explanation, tokens, view.unit);
  return tokens.length > 1 ? `“${words}” (${view.combine} of ${tokens.length})` : `“${words}”`;
}

export function unitOf(explanation: Explanation, { used }: Layer): string {
  return used ? LOST : methodOf(explanation).unit;
}

export function named(explanation: Explanation, { factor, used, rows, cols }: Pick<Layer, "factor" | "used" | "rows" | "cols">): string {
  if (used) return `used: less likely when hidden, ${rows}×${cols}`;
  return `${factor === null ? methodOf(explanation).whole : `scale ${factorText(factor)}`}, ${rows}×${cols}`;
}
