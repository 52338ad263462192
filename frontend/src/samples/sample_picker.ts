// The sample: previous, next, and a search over names and answers.
import { css, html, nothing } from "lit";
import type { SampleEntry } from "../data/api";
import type { SampleSummary } from "./summaries";
import { sampleName } from "../view/text";
import { PanelElement, controls, unattributed } from "../view/base";

const LONGEST_LIST = 200;

export class SamplePicker extends PanelElement {
  static override properties = {
    samples: unattributed,
    tag: unattributed,
    summaries: unattributed,
    query: { state: true },
    marked: { state: true },
  };
  samples: readonly SampleEntry[] = [];
  tag = "";
  summaries: ReadonlyMap<string, SampleSummary> = new Map();
  /** What is typed; null while the list is closed. */
  query: string | null = null;
  marked = 0;

  static override styles = [
    controls,
    css`
      :host {
        position: relative;
        display: flex;
        align-items: center;
      }
      .field {
        display: flex;
        align-items: center;
        padding: 0 2px;
      }
      .field:focus-within {
        border-color: var(--accent);
      }
      .field button {
        width: 24px;
        height: 24px;
        padding: 0;
      }
      input {
        width: 9ch;
        min-width: 9ch;
        field-sizing: content;
        max-width: 18ch;
        border: 0;
        outline: 0;
        background: none;
        font-weight: 600;
        text-align: center;
      }
      input:focus-visible {
        outline: 0;
      }
      .place {
        padding: 0 8px 0 4px;
        color: var(--muted);
        white-space: nowrap;
      }
      .list {
        position: absolute;
        z-index: 20;
        top: 36px;
        left: 0;
        width: min(420px, 86vw);
        max-height: min(420px, 70vh);
        overflow-y: auto;
        padding: 4px;
        border: 1px solid var(--line);
        border-radius: 10px;
        background: var(--surface);
        box-shadow: 0 8px 28px rgb(0 0 0 / 0.18);
      }
      .option {
        display: flex;
        gap: 10px;
        padding: 6px 8px;
        border-radius: 6px;
        cursor: pointer;
        white-space: nowrap;
      }
      .option span {
        overflow: hidden;
        text-overflow: ellipsis;
        color: var(--muted);
      }
      .option[aria-selected="true"] {
        background: var(--accent-soft);
      }
      .none {
        padding: 10px 8px;
        color: var(--muted);
        white-space: normal;
      }
    `,
  ];

  /** Open the list and wait for typing. */
  search(): void {
    this.renderRoot.querySelector("input")!.focus();
  }

  override willUpdate(): void {
    if (this.query !== null) this.marked = Math.max(0, Math.min(this.marked, this.found().length - 1));
  }

  override render() {
    const at = this.samples.findIndex((entry) => entry.tag === this.tag);
    const entry = this.samples[at];
    const shown = entry ? nameOf(entry) : "";
    return html`
      <span class="field">
        <button class="quiet" aria-label="Previous sample" title="Previous sample (k)" ?disabled=${at < 1} @click=${() => this.go(at - 1)}>‹</button>
        <input
          role="combobox"
          aria-label="Sample"
          aria-expanded=${this.query !== null}
          aria-controls="list"
          aria-activedescendant=${this.query === null ? nothing : `option-${this.marked}`}
          autocomplete="off"
          spellcheck="false"
          .value=${this.query ?? shown}
          placeholder=${shown}
          @focus=${this.open}
          @click=${this.open}
          @blur=${this.close}
          @input=${this.typed}
          @keydown=${this.pressed}
        />
        <button class="quiet" aria-label="Next sample" title="Next sample (j)" ?disabled=${at < 0 || at >= this.samples.length - 1} @click=${() => this.go(at + 1)}>›</button>
        <span class="place number">${at + 1}/${this.samples.length}</span>
      </span>
      ${this.query === null ? nothing : this.list()}
    `;
  }

  private list() {
    const found = this.found();
    return html`
      <div class="list" id="list" role="listbox" aria-label="Samples" @mousedown=${(event: Event) => event.preventDefault()}>
        ${found.slice(0, LONGEST_LIST).map(
          (entry, i) => html`
            <div
              class="option"
              id="option-${i}"
              role="option"
              aria-selected=${i === this.marked}
              @click=${() => this.choose(entry)}
            >
              <strong>${nameOf(entry)}</strong><span>${this.summaries.get(entry.tag)?.answer ?? ""}</span>
            </div>
          `,
        )}
        ${found.length ? nothing : html`<div class="none">No sample matches “${this.query}”.</div>`}
        ${found.length > LONGEST_LIST
          ? html`<div class="none">${found.length - LONGEST_LIST} more: type to narrow the list.</div>`
          : nothing}
      </div>
    `;
  }

  private found(): SampleEntry[] {
    const words = (this.query ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    return this.samples.filter((entry) => {
      const text = `${nameOf(entry)} ${this.summaries.get(entry.tag)?.answer ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  private open(): void {
    if (this.query !== null) return;
    this.query = "";
    this.marked = Math.max(0, this.samples.findIndex((entry) => entry.tag === this.tag));
    void this.updateComplete.then(() => this.reveal());
  }

  private close(): void {
    this.query = null;
  }

  private typed(event: Event): void {
    this.query = (event.target as HTMLInputElement).value;
    this.marked = 0;
  }

  private pressed(event: KeyboardEvent): void {
    const found = this.found();
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) {
      if (this.query === null) this.open();
      this.marked = Math.min(found.length - 1, Math.max(0, this.marked + move));
      void this.updateComplete.then(() => this.reveal());
    } else if (event.key === "Enter" && found[this.marked]) {
      this.choose(found[this.marked]!);
    } else if (event.key === "Escape") {
      (event.target as HTMLElement).blur();
    } else {
      return;
    }
    event.preventDefault();
  }

  private reveal(): void {
    this.renderRoot.querySelector(`#option-${this.marked}`)?.scrollIntoView({ block: "nearest" });
  }

  private choose(entry: SampleEntry): void {
    this.ask("view-change", { tag: entry.tag });
    this.renderRoot.querySelector("input")!.blur();
  }

  private go(index: number): void {
    const entry = this.samples[index];
    if (entry) this.ask("view-change", { tag: entry.tag });
  }
}
customElements.define("mmx-sample-picker", SamplePicker);

function nameOf(entry: SampleEntry): string {
  return sampleName(entry.tag);
}
