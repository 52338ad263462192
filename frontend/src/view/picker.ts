// One of many, by name: a list that opens, and narrows while one types.
import { type PropertyDeclarations, css, html, nothing } from "lit";
import { PanelElement, controls, unattributed } from "./base";
import type { Choice } from "./picker_list";
import { shortened } from "./text";

export abstract class Picker extends PanelElement {
  static override properties: PropertyDeclarations = {
    query: { state: true },
    marked: { state: true },
    beside: unattributed,
    list: { state: true },
  };
  /** What is typed; null while the list is closed. */
  query: string | null = null;
  marked = 0;
  /** What a shortened name has to be told apart from. */
  beside = "";

  /** Loaded once it opens. */
  list: typeof import("./picker_list") | null = null;

  static override styles = [
    controls,
    css`
      :host {
        position: relative;
        display: flex;
        align-items: center;
        min-width: 0;
      }
      .field {
        min-width: 0;
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
        width: 20ch;
        min-width: 9ch;
        max-width: 26ch;
        border: 0;
        outline: 0;
        background: none;
        font-weight: 600;
        text-align: center;
      }
      @supports (field-sizing: content) {
        input {
          width: auto;
          field-sizing: content;
        }
      }
      input:focus-visible {
        outline: 0;
      }
      .place {
        padding: 0 8px 0 4px;
        color: var(--muted);
        white-space: nowrap;
      }
      @media (max-width: 620px) {
        input {
          max-width: 22ch;
        }
        .place:not(:only-of-type) {
          display: none;
        }
      }
    `,
  ];

  /** Of one, and of all. */
  protected abstract get labels(): readonly [one: string, all: string];
  protected abstract choices(): readonly Choice[];
  protected abstract get chosen(): string;
  protected abstract pick(value: string): void;

  /** What stands around the field, where one can walk through them. */
  protected around(field: unknown, _at: number, _choices: readonly Choice[]): unknown {
    return field;
  }

  /** Open the list and wait for typing. */
  search(): void {
    this.renderRoot.querySelector("input")!.focus();
  }

  override willUpdate(): void {
    if (this.query !== null) this.marked = Math.max(0, Math.min(this.marked, this.found().length - 1));
  }

  override render() {
    const choices = this.choices();
    const at = choices.findIndex(({ value }) => value === this.chosen);
    const shown = choices[at]?.name ?? this.chosen;
    const short = shortened(shown, this.beside);
    const [one] = this.labels;
    const field = html`<input
      role="combobox"
      aria-label=${one}
      aria-expanded=${this.query !== null}
      aria-controls="list"
      aria-activedescendant=${this.query === null ? nothing : `option-${this.marked}`}
      autocomplete="off"
      spellcheck="false"
      title=${shown}
      .value=${this.query ?? short}
      placeholder=${short}
      @focus=${this.open}
      @click=${this.open}
      @blur=${this.close}
      @input=${this.typed}
      @keydown=${this.pressed}
    />`;
    return html`<span class="field">${this.around(field, at, choices)}</span>${this.query === null || !this.list ? nothing : this.list.choiceList(this.query, this.labels, this.found(), this.marked, (value) => this.choose(value))}`;
  }

  private found(): Choice[] {
    const words = (this.query ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    return this.choices().filter(({ name, hint }) => {
      const text = `${name} ${hint}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  private open(): void {
    if (this.query !== null) return;
    this.query = "";
    this.marked = Math.max(0, this.choices().findIndex(({ value }) => value === this.chosen));
    void this.drop();
  }

  private async drop(): Promise<void> {
    if (!this.list) {
      this.list = await import("./picker_list").catch(() => null);
      if (this.list) this.adopt(this.list.listStyle);
      else this.ask("list-lost", null);
    }
    await this.updateComplete;
    this.reveal();
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
      this.choose(found[this.marked]!.value);
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

  private choose(value: string): void {
    this.pick(value);
    this.renderRoot.querySelector("input")!.blur();
  }
}

