// The view in words, part by part.
import { type Explanation, shownLayers } from "../data/explanation";
import type { Region } from "../pixels/geometry";
import { layerIndex, cardText } from "./selection";
import { COMPARE_MODES, type ViewState } from "./state";
import { sampleName, stepText } from "./text";

const COMPARED = ["one checkpoint", "side by side", "curtain", "in turn", "difference of A and B"];

export function partsOf(view: ViewState, explanation: Explanation): string[] {
  const layer = shownLayers(explanation)[layerIndex(view, explanation)]!;
  return [
    `sample ${sampleName(view.tag)}`,
    `run ${view.run}`,
    `step ${stepText(view.step ?? 0)}`,
    `${layer.factor === null ? "" : "scale "}${cardText(explanation, layer)}, ${layer.rows} by ${layer.cols}`,
    COMPARED[COMPARE_MODES.indexOf(view.compare)]!,
    view.region ? regionText(view.region) : "whole picture",
    ...(explanation.views.length > 1 ? [`image ${view.image + 1} of ${explanation.views.length}`] : []),
  ];
}

/** "region from 25 to 50 percent across, 0 to 50 down". */
export function regionText({ left, right, top, bottom }: Region): string {
  const percent = (share: number) => Math.round(100 * share);
  return `region from ${percent(left)} to ${percent(right)} percent across, ${percent(top)} to ${percent(bottom)} down`;
}
