// For those who hear the panel: what the page is about, and what a key has changed. The selected word is
// said by its sentence.
import { html } from "lit";
import type { Explanation } from "../data/explanation";
import { PanelElement, controls, unattributed } from "./base";
import type { ViewState } from "./state";
import { sampleName } from "./text";

export class Spoken extends PanelElement {
  static override properties = { view: unattributed, explanation: unattributed, said: { state: true } };
  declare view: ViewState;
  /** Null until there is one. */
  declare explanation: Explanation | null;
  said = "";

  /** What was last seen. */
  private seen: [ViewState, Explanation] | null = null;

  static override styles = [controls];

  override willUpdate(): void {
    const [before, now] = [this.seen, this.explanation && ([this.view, this.explanation] as const)];
    if (!now || (before?.[0] === now[0] && before[1] === now[1])) return;
    this.seen = [...now];
    if (before) this.say(before, now).catch(() => undefined);
  }

  /** Only what is new: the whole would drown it. */
  private async say(before: readonly [ViewState, Explanation], now: readonly [ViewState, Explanation]): Promise<void> {
    const { partsOf } = await import("./spoken_parts");
    const known = partsOf(...before);
    const fresh = partsOf(...now).filter((part) => !known.includes(part));
    if (fresh.length) this.said = fresh.join(", ");
  }

  override render() {
    const { view } = this;
    return html`<h1 class="unseen">Explanation${view.tag ? ` of ${sampleName(view.tag)}` : ""}</h1>
      <div class="unseen" role="status">${this.said}</div>`;
  }
}
customElements.define("mmx-spoken", Spoken);
