// For those who hear the panel: what the page is about, and what a key has changed. The selected word is
// said by its sentence.
import { html } from "lit";
import { type Explanation, shownLayers } from "../data/explanation";
import type { Region } from "../pixels/geometry";
import { PanelElement, controls, unattributed } from "./base";
import { layerIndex, cardText } from "./selection";
import { COMPARE_MODES, type ViewState } from "./state";
import { sampleName, stepText } from "./text";

const COMPARED = ["one checkpoint", "side by side", "curtain", "in turn", "difference of A and B"];

export class Spoken extends PanelElement {
  static override properties = { view: unattributed, explanation: unattributed };
  declare view: ViewState;
  /** Null until there is one. */
  declare explanation: Explanation | null;

  private parts: string[] = [];
  private said = "";

  static override styles = [controls];

  override willUpdate(): void {
    const parts = this.explanation ? partsOf(this.view, this.explanation) : [];
    // Only what is new: the whole would drown it.
    const fresh = this.parts.length ? parts.filter((part) => !this.parts.includes(part)) : [];
    if (fresh.length) this.said = fresh.join(", ");
    this.parts = parts;
  }

  override render() {
    const { view } = this;
    return html`<h1 class="unseen">Explanation${view.tag ? ` of ${sampleName(view.tag)}` : ""}</h1>
      <div class="unseen" role="status">${this.said}</div>`;
  }
}
customElements.define("mmx-spoken", Spoken);

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
