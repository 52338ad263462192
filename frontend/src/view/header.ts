// What is looked at (run, sample, step) and how it is coloured.
import { css, html, nothing } from "lit";
import { COLOR_MAPS } from "../pixels/color";
import type { RunEntry } from "../data/api";
import type { Note } from "../samples/notes";
import type { SampleSummary } from "../samples/summaries";
import type { Place } from "../data/explanation_source";
import { COMPARE_MODES, type CompareMode, RANGE_NAMES, type ViewState, rangesFor } from "./state";
import "./run_picker";
import { PanelElement, controls, options, unattributed } from "./base";
import type { SamplePicker } from "../samples/sample_picker";

const COMPARE_TITLES: Record<CompareMode, string> = {
  single: "One checkpoint",
  side: "Two checkpoints side by side",
  swipe: "B under a curtain over A",
  blink: "A and B in turn",
  difference: "What A has more of than B",
};

export class Header extends PanelElement {
  static override properties = {
    runs: unattributed,
    view: unattributed,
    summaries: unattributed,
    other: unattributed,
    note: unattributed,
    playing: { type: Boolean },
    first: { type: Boolean },
    both: { state: true },
  };
  declare runs: readonly RunEntry[];
  /** Where B is; null while nothing is compared, or where there is none. */
  declare other: Place | null;
  declare view: ViewState;
  declare summaries: ReadonlyMap<string, SampleSummary>;
  declare note: Note;
  declare playing: boolean;
  /** There is no view to go back to. */
  declare first: boolean;
  /** B's own controls, loaded once something is compared. */
  both: typeof import("./side_b") | null = null;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        padding: 9px 16px;
        border-bottom: 1px solid var(--line);
        background: var(--chrome);
      }
      mmx-step-slider {
        flex: 1 1 220px;
        min-width: 216px;
        margin: 0 4px;
      }
      .icon {
        width: 30px;
        padding: 0;
      }
      .again {
        color: rgb(var(--grounding));
      }
      .icons {
        display: flex;
        margin-left: auto;
      }
      .segments button {
        padding: 0 8px;
      }
      .range {
        max-width: 150px;
      }
      .modes {
        display: none;
      }
      @media (max-width: 980px) {
        mmx-step-slider {
          margin: 0;
        }
      }
      /* In a narrow panel, or one zoomed in to twice the size, controls leave the room to the picture. */
      @media (max-width: 620px), (max-height: 520px) {
        :host {
          gap: 6px;
          padding: 6px 16px;
        }
        .segments {
          display: none;
        }
        .icon {
          width: 26px;
        }
        .modes {
          display: block;
        }
        .range {
          flex: 1 1 92px;
          min-width: 0;
        }
        /* Beside the sample, where there is room. */
        mmx-step-slider,
        select,
        .compare {
          order: 2;
        }
        .icons {
          order: 1;
        }
      }
    `,
  ];

  searchSamples(): void {
    this.renderRoot.querySelector<SamplePicker>("mmx-sample-picker")!.search();
  }

  override willUpdate(): void {
    if (this.view.compare !== "single" && !this.both) void this.loadBoth();
  }

  private async loadBoth(): Promise<void> {
    const part = await import("./side_b").catch(() => null);
    if (part) this.adopt(part.sideStyle);
    this.both = part;
  }

  override render() {
    const run = this.runs.find((entry) => entry.run === this.view.run);
    const sample = run?.samples.find((entry) => entry.tag === this.view.tag);
    const compared = this.view.compare !== "single";
    const both = compared ? "both" : "";
    return html`
      ${compared && this.both ? html`<span class="mark a">A</span>` : nothing}
      <mmx-run-picker .runs=${this.names} .run=${this.view.run} .beside=${compared ? (this.other?.run ?? "") : ""}></mmx-run-picker>
      <mmx-sample-picker
        .samples=${run?.samples ?? []}
        .tag=${this.view.tag}
        .summaries=${this.summaries}
      ></mmx-sample-picker>
      <button
        class="icon quiet ${this.note.again ? "again" : ""}"
        aria-label="Look at this sample again"
        aria-pressed=${this.note.again}
        title=${["Look at this sample again", this.note.text].filter(Boolean).join(": ")}
        @click=${() => this.ask("note-change", { again: !this.note.again })}
      >${this.note.again ? "★" : "☆"}</button>
      <mmx-step-slider
        .steps=${sample?.steps ?? []}
        .step=${this.view.step}
        .other=${this.other?.run === this.view.run ? this.other.step : null}
        .logged=${this.summaries.get(this.view.tag)?.logged ?? null}
        ?playing=${this.playing}
      ></mmx-step-slider>
      <select class="modes ${both}" aria-label="Compare" title="Compare (v)" @change=${this.choose("compare")}>
        ${options(COMPARE_MODES, this.view.compare)}
      </select>
      <span class="segments ${both}" role="group" aria-label="Compare">
        ${COMPARE_MODES.map(
          (mode) => html`<button
            aria-pressed=${mode === this.view.compare}
            title="${COMPARE_TITLES[mode]} (v)"
            @click=${() => this.ask("view-change", { compare: mode })}
          >${mode}</button>`,
        )}
      </span>
      <select class="range" aria-label="Range of the colours" title="Range of the colours (r)" @change=${this.choose("range")}>
        ${options(rangesFor(this.view.compare), this.view.range, (mode) => RANGE_NAMES[mode])}
      </select>
      <select aria-label="Colour map" title="Colour map (c)" @change=${this.choose("colors")}>
        ${options(COLOR_MAPS, this.view.colors)}
      </select>
      ${compared && this.both ? this.both.sideB(this, this.names, (patch) => this.ask("view-change", patch)) : nothing}
      <span class="icons">
        <button class="icon quiet" aria-label="Back to the view before" title="Back to the view before (Alt + ←)" ?disabled=${this.first} @click=${() => this.ask("go-back", null)}>←</button>
        <button
          class="icon quiet"
          aria-label="Table of samples"
          aria-pressed=${this.view.samples}
          title="Table of samples (l)"
          @click=${() => this.ask("view-change", { samples: !this.view.samples })}
        >${icon("M1 2h10v2H1zM1 5h10v2H1zM1 8h10v2H1z")}</button>
        <button class="icon quiet" aria-label="Export" title="Export (e)" @click=${() => this.ask("export-open", null)}>${icon("M5 1h2v5h2.5L6 9.5 2.5 6H5zM1 10h10v1.5H1z")}</button>
        <button class="icon quiet" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" @click=${() => this.ask("help-open", null)}>?</button>
      </span>
    `;
  }

  private get names(): string[] {
    return this.runs.map(({ run }) => run);
  }

  swap(): void {
    const { other, view } = this;
    if (!other) return;
    this.ask("view-change", { run: other.run, step: other.step, otherRun: view.run, otherStep: view.step });
  }

  private choose(name: "compare" | "range" | "colors") {
    return (event: Event) => this.ask("view-change", { [name]: valueOf(event) });
  }
}
customElements.define("mmx-header", Header);

function valueOf(event: Event): string {
  return (event.target as HTMLSelectElement).value;
}

function icon(path: string) {
  return html`<svg width="14" height="14" viewBox="0 0 12 12" fill="currentColor" aria-hidden="true"><path d=${path} /></svg>`;
}
