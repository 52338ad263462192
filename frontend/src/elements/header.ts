// What is looked at (run, sample, step) and how it is coloured.
import { css, html } from "lit";
import { COLOR_MAPS, type ColorMap } from "../core/color";
import type { RunEntry } from "../core/api";
import type { SampleSummary } from "../core/model";
import { RANGE_MODES, RANGE_NAMES, type RangeMode, type ViewState } from "../core/state";
import { PanelElement, controls } from "./base";
import type { SamplePicker } from "./sample_picker";

export class Header extends PanelElement {
  static override properties = {
    runs: { attribute: false },
    view: { attribute: false },
    summaries: { attribute: false },
    playing: { type: Boolean },
  };
  declare runs: readonly RunEntry[];
  declare view: ViewState;
  declare summaries: ReadonlyMap<string, SampleSummary>;
  declare playing: boolean;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 12px;
        padding: 9px 16px;
        border-bottom: 1px solid var(--line);
        background: var(--chrome);
      }
      .run {
        max-width: 190px;
        font-weight: 600;
        text-overflow: ellipsis;
      }
      mmx-step-slider {
        flex: 1 1 300px;
        margin: 0 8px;
      }
      .help {
        width: 30px;
        padding: 0;
      }
      @media (max-width: 980px) {
        :host {
          gap: 8px;
        }
        .run {
          max-width: 116px;
        }
        mmx-step-slider {
          flex-basis: 200px;
          margin: 0;
        }
      }
    `,
  ];

  searchSamples(): void {
    this.renderRoot.querySelector<SamplePicker>("mmx-sample-picker")!.search();
  }

  override render() {
    const run = this.runs.find((entry) => entry.run === this.view.run);
    const sample = run?.samples.find((entry) => entry.tag === this.view.tag);
    return html`
      <select class="run" aria-label="Run" title="Run" @change=${this.choose("run")}>
        ${this.runs.map(
          ({ run: name }) => html`<option value=${name} ?selected=${name === this.view.run}>${name}</option>`,
        )}
      </select>
      <mmx-sample-picker
        .samples=${run?.samples ?? []}
        .tag=${this.view.tag}
        .summaries=${this.summaries}
      ></mmx-sample-picker>
      <mmx-step-slider
        .steps=${sample?.steps ?? []}
        .step=${this.view.step}
        .logged=${this.summaries.get(this.view.tag)?.logged ?? null}
        ?playing=${this.playing}
      ></mmx-step-slider>
      <select aria-label="Range of the colours" title="Range of the colours (r)" @change=${this.choose("range")}>
        ${RANGE_MODES.map(
          (mode: RangeMode) =>
            html`<option value=${mode} ?selected=${mode === this.view.range}>${RANGE_NAMES[mode]}</option>`,
        )}
      </select>
      <select aria-label="Colour map" title="Colour map (c)" @change=${this.choose("colors")}>
        ${COLOR_MAPS.map(
          (name: ColorMap) => html`<option value=${name} ?selected=${name === this.view.colors}>${name}</option>`,
        )}
      </select>
      <button class="help quiet" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" @click=${() => this.ask("help-open", null)}>?</button>
    `;
  }

  private choose(name: "run" | "range" | "colors") {
    return (event: Event) => this.ask("view-change", { [name]: (event.target as HTMLSelectElement).value });
  }
}
customElements.define("mmx-header", Header);
