// A run, of A or of B: in an order that knows numbers and decimals.
import { html } from "lit";
import { Picker } from "./picker";
import type { Choice } from "./picker_list";
import { unattributed } from "./base";
import { naturalText } from "./text";

export class RunPicker extends Picker {
  static override properties = { runs: unattributed, run: unattributed, side: unattributed };
  runs: readonly string[] = [];
  run = "";
  /** Whose. */
  side: "a" | "b" = "a";

  protected override get labels(): readonly [string, string] {
    return this.side === "a" ? ["Run", "Runs"] : ["Run of B", "Runs"];
  }

  protected override choices(): Choice[] {
    const keyed = this.runs.map((run) => ({ value: run, name: run, hint: "", key: naturalText(run) }));
    return keyed.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
  }

  protected override get chosen(): string {
    return this.run;
  }

  protected override around(field: unknown) {
    return html`${field}<span class="place" aria-hidden="true">▾</span>`;
  }

  protected override pick(run: string): void {
    this.ask("view-change", this.side === "a" ? { run } : { otherRun: run, otherStep: null });
  }
}
customElements.define("mmx-run-picker", RunPicker);
