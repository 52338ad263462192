// The sample: previous, next, and a search over names and answers.
import { html } from "lit";
import type { SampleEntry } from "../data/api";
import type { SampleSummary } from "./summaries";
import { sampleName } from "../view/text";
import { unattributed } from "../view/base";
import { Picker } from "../view/picker";
import type { Choice } from "../view/picker_list";

export class SamplePicker extends Picker {
  static override properties = { samples: unattributed, tag: unattributed, summaries: unattributed };
  samples: readonly SampleEntry[] = [];
  tag = "";
  summaries: ReadonlyMap<string, SampleSummary> = new Map();

  protected override get labels(): readonly [string, string] {
    return ["Sample", "Samples"];
  }

  protected override choices(): Choice[] {
    return this.samples.map(({ tag }) => ({ value: tag, name: sampleName(tag), hint: this.summaries.get(tag)?.answer ?? "" }));
  }

  protected override get chosen(): string {
    return this.tag;
  }

  protected override pick(tag: string): void {
    this.ask("view-change", { tag });
  }

  protected override around(field: unknown, at: number) {
    const last = this.samples.length - 1;
    return html`
      <button class="quiet" aria-label="Previous sample" title="Previous sample (k)" ?disabled=${at < 1} @click=${() => this.go(at - 1)}>‹</button>
      ${field}
      <button class="quiet" aria-label="Next sample" title="Next sample (j)" ?disabled=${at < 0 || at >= last} @click=${() => this.go(at + 1)}>›</button>
      <span class="place number">${at + 1}/${last + 1}</span>
    `;
  }

  private go(index: number): void {
    const entry = this.samples[index];
    if (entry) this.ask("view-change", { tag: entry.tag });
  }
}
customElements.define("mmx-sample-picker", SamplePicker);
