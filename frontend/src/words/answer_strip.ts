// The answer as text: each word or token tinted by how much it read from the image, and underlined
// by how much the selected one leaned on it.
import { type PropertyValues, css, html, nothing } from "lit";
import { type Pair, counterpart } from "./alignment";
import { besideKey } from "./beside";
import { type Explanation, answerToken, matrixValue } from "../data/explanation";
import { methodOf } from "../data/method";
import { groundingOf, tintOf } from "./figures";
import { type Group, UNITS, type Unit, answerUnits, contextUnits, groupText, rowText, tokensOf, unitAt } from "./units";
import { selectedTokens } from "../view/selection";
import { COMBINATIONS, type Combination } from "../view/state";
import { probabilityText, startsWord, tokenText } from "../view/text";
import { versus } from "./versus";
import { type Hover, NO_HOVER, PanelElement, controls, options, unattributed } from "../view/base";

const STRONGEST_TINT = 0.62;
/** So many tokens before and after the selected one have a button: thousands would take seconds. */
const REACH = 400;

export class AnswerStrip extends PanelElement {
  static override properties = {
    explanation: unattributed,
    selected: unattributed,
    more: unattributed,
    unit: unattributed,
    combine: unattributed,
    pinned: unattributed,
    beside: unattributed,
    other: unattributed,
    template: { type: Boolean },
    hover: unattributed,
  };
  declare explanation: Explanation;
  declare selected: number;
  /** How many units after the selected one belong to the span. */
  declare more: number;
  declare unit: Unit;
  declare combine: Combination;
  /** The pinned context token. */
  declare pinned: number | null;
  /** The key of the word beside the answer that is shown. */
  declare beside: string;
  /** B's answer and how its tokens stand to these; null while nothing is compared. */
  declare other: { explanation: Explanation; pairs: Pair[] } | null;
  declare template: boolean;
  declare hover: Hover;

  /** Those selected. */
  private tokens: number[] = [];
  /** Where a drag over tokens began. */
  private anchor: number | null = null;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        align-items: flex-start;
        gap: 16px;
      }
      .text {
        flex: 1;
        max-height: 148px;
        overflow-y: auto;
        padding: 3px;
        margin: -3px;
        font-size: 17px;
        line-height: 34px;
      }
      .token {
        position: relative;
        height: auto;
        padding: 3px 4px 5px;
        border: 0;
        border-radius: 6px;
        background: rgb(var(--grounding) / var(--tint, 0));
        line-height: 1.2;
        color: var(--text);
      }
      .word {
        margin-left: 3px;
      }
      .token::after {
        content: "";
        position: absolute;
        left: 4px;
        right: 4px;
        bottom: 1px;
        height: 2.5px;
        border-radius: 2px;
        background: var(--accent);
        opacity: var(--relevance, 0);
      }
      .prompt {
        padding: 3px 2px 5px;
        font-size: 13px;
        color: var(--muted);
      }
      .answer:hover,
      .hovered {
        box-shadow: 0 0 0 1.5px var(--muted);
      }
      .special {
        font-size: 11px;
        font-family: ui-monospace, monospace;
      }
      [aria-selected="true"] {
        box-shadow: 0 0 0 2px var(--accent);
        font-weight: 600;
      }
      .answer-start {
        margin-left: 12px;
      }
      .turn {
        display: inline-block;
        min-width: 62px;
        font-size: 11px;
        color: var(--muted);
      }
      .mapped {
        text-decoration: underline dotted;
        text-underline-offset: 3px;
      }
      .pinned {
        box-shadow: inset 0 -2px var(--accent);
        color: var(--text);
      }
      .changed {
        text-decoration: underline wavy var(--side-a) 1.5px;
        text-underline-offset: 4px;
      }
      .versus {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        margin-top: 2px;
        font-size: 14px;
        line-height: 26px;
      }
      .versus .mark {
        margin-right: 6px;
        padding: 1px 7px;
        border-radius: 9px;
        background: var(--side-b);
        color: var(--on-side);
        font-size: 11px;
        font-weight: 600;
      }
      .versus span,
      .versus ins {
        margin-right: 2px;
        padding: 1px 3px;
      }
      .versus ins {
        border-radius: 4px;
        background: color-mix(in srgb, var(--side-b) 22%, transparent);
        text-decoration: underline wavy var(--side-b) 1.5px;
        text-underline-offset: 3px;
      }
      .versus .gap {
        color: var(--muted);
      }
      .versus .here {
        box-shadow: 0 0 0 1.5px var(--side-b);
        border-radius: 4px;
      }
      .answer-start:dir(rtl) {
        display: block;
      }
      .side {
        display: grid;
        grid-template-columns: max-content max-content;
        gap: 6px 10px;
        align-items: center;
      }
      .segments {
        font-size: 12px;
      }
      .side .segments button {
        height: 20px;
        padding: 0 8px;
      }
      .combine {
        font-size: 11px;
        color: var(--muted);
      }
      .combine select {
        height: 24px;
        margin-right: 4px;
      }
      .key {
        grid-column: 1 / 3;
        justify-content: start;
        display: grid;
        grid-template-columns: auto auto;
        gap: 4px 8px;
        align-items: center;
        padding-top: 4px;
        font-size: 11px;
        color: var(--muted);
        white-space: nowrap;
      }
      .tint {
        width: 44px;
        height: 10px;
        border-radius: 3px;
        background: linear-gradient(to right, rgb(var(--grounding) / 0), rgb(var(--grounding) / ${STRONGEST_TINT}));
        box-shadow: inset 0 0 0 1px var(--line);
      }
      .line {
        width: 44px;
        height: 2.5px;
        border-radius: 2px;
        background: linear-gradient(to right, transparent, var(--accent));
      }
      @media (max-width: 980px) {
        .key {
          display: none;
        }
      }
    `,
  ];

  override willUpdate(): void {
    this.tokens = selectedTokens({ token: this.selected, more: this.more, unit: this.unit }, this.explanation);
  }

  override render() {
    const { context, cutFrom, promptLength, turns } = this.explanation;
    const spaced = context.some((token) => startsWord(token.text));
    let turn = turns.length > 2 ? -1 : Infinity;
    const groups = contextUnits(this.explanation, this.unit);
    const shown = groups.map((group) => {
      const j = group.first;
      const token = context[j]!;
      if (Math.abs(j - promptLength - this.selected) > REACH || (token.special && !this.template)) return nothing;
      const opens = token.turn > turn;
      if (opens) turn = token.turn;
      const drawn = this.unitButton(group, !spaced || startsWord(group.name ?? token.text));
      return opens ? html`${j ? html`<br />` : nothing}<span class="turn">${turns[turn]}</span>${drawn}` : drawn;
    });
    const prompt = groups.findIndex(({ first }) => first >= promptLength);
    return html`
      <div class="text">
        <span role="group" aria-label="Prompt" dir="auto">${shown.slice(0, prompt)}</span>
        <span class="answer-start" dir="auto" role="listbox" aria-multiselectable="true" aria-label="Answer tokens" aria-orientation="horizontal">
          ${shown.slice(prompt)}
        </span>
        <span class="muted">
          ${context.length > REACH ? `… ${REACH} tokens before and after` : ""} ${cutFrom ? `… ${context.length - promptLength} of ${cutFrom} tokens logged` : ""}
        </span>
        ${this.other ? versus(this.explanation, this.other, this.unit, this.tokens) : nothing}
      </div>
      <div class="side">
        <span class="segments" role="group" aria-label="What is selected as one">
          ${UNITS.map(
            (unit) => html`<button
              aria-pressed=${unit === this.unit}
              title="Select ${unit} (w)"
              @click=${() => this.ask("view-change", { unit, more: 0 })}
            >${unit}</button>`,
          )}
        </span>
        ${this.tokens.length > 1
          ? html`<label class="combine"
              ><select
                aria-label="How their maps become one"
                @change=${(event: Event) => this.ask("view-change", { combine: (event.target as HTMLSelectElement).value as Combination })}
              >
                ${options(COMBINATIONS, this.combine)}</select
              >of ${this.tokens.length} tokens</label
            >`
          : nothing}
        <div class="key">
        <span class="tint"></span><span>${methodOf(this.explanation).tint}</span>
        <span class="line"></span><span>relevant to “<bdi>${this.selectedText()}</bdi>”</span>
        </div>
      </div>
    `;
  }

  override updated(changed: PropertyValues<this>): void {
    if (!changed.has("selected") && !changed.has("unit") && !changed.has("explanation")) return;
    const text = this.renderRoot.querySelector<HTMLElement>(".text")!;
    const token = this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]');
    if (!token) return;
    // Within the strip alone: scrollIntoView would move the page as well.
    const top = token.offsetTop - text.offsetTop;
    text.scrollTop = Math.min(top, Math.max(top + token.offsetHeight + 6 - text.clientHeight, text.scrollTop));
  }

  /** Move the keyboard's focus along with the selection, where it already is on a token. */
  focusSelected(): void {
    if (!this.shadowRoot!.activeElement?.classList.contains("answer")) return;
    this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }

  private differs(t: number): boolean {
    if (!this.other) return false;
    const b = counterpart(this.other.pairs, t);
    return b === null || answerToken(this.other.explanation, b)!.text !== answerToken(this.explanation, t)!.text;
  }

  private press(t: number, event: PointerEvent): void {
    if (event.shiftKey) this.ask("span-select", { from: this.selected, to: t });
    else this.anchor = t;
  }

  private drag(t: number, event: PointerEvent): void {
    if (this.anchor !== null && event.buttons & 1 && this.anchor !== t) this.ask("span-select", { from: this.anchor, to: t });
  }

  private choose(t: number, event: MouseEvent): void {
    if (event.shiftKey) return;
    if (this.anchor === t || !event.detail) this.ask("token-select", t);
    this.anchor = null;
  }

  private unitButton(group: Group, word: boolean) {
    const { explanation } = this;
    const { promptLength, context } = explanation;
    const { first, end } = group;
    const [t, j] = [first - promptLength, first];
    const holds = (token: number | null) => token !== null && token >= first && token < end;
    const hovered = holds(this.hover.column) || (this.hover.row !== null && holds(this.hover.row + promptLength));
    const kind = `token ${word ? "word" : ""} ${context[j]!.special ? "special" : ""} ${hovered ? "hovered" : ""}`;
    const style = `--relevance:${this.relevance(group).toFixed(3)}`;
    const over = () => this.ask("hover-change", { row: null, column: j });
    const out = () => this.ask("hover-change", NO_HOVER);
    if (t < 0) {
      const pinned = holds(this.pinned);
      const mapped = explanation.alternatives.find((entry) => holds(entry.context) && entry.candidate.id === context[entry.context]!.id);
      const key = mapped ? besideKey(mapped) : "";
      const again = mapped ? this.beside === key : pinned;
      const asked = mapped && !again ? { beside: key, compare: "single" as const } : { beside: "" };
      return html`<button
        class="${kind} prompt ${pinned ? "pinned" : ""} ${mapped ? "mapped" : ""}"
        aria-pressed=${pinned}
        tabindex=${mapped ? 0 : -1}
        style=${style}
        title="${mapped ? "Show its map and mark" : "Mark"} its column"
        data-context-index=${j}
        @click=${() => this.ask("view-change", { context: again ? null : j, ...asked })}
        @mouseenter=${over}
        @mouseleave=${out}
      >${groupText(explanation, group)}</button>`;
    }
    const tokens = tokensOf({ first: t, end: end - promptLength });
    const grounding = groundingOf(explanation, tokens);
    const tint = STRONGEST_TINT * tintOf(explanation, tokens);
    const parts = tokens.map((token) => tokenText(answerToken(explanation, token)!.text)).join("|");
    return html`<button
      class="${kind} answer ${tokens.some((token) => this.differs(token)) ? "changed" : ""}"
      role="option"
      aria-selected=${this.tokens.includes(t)}
      tabindex=${t === this.tokens[0] ? 0 : -1}
      style="${style};--tint:${tint.toFixed(3)}"
      title="grounding ${probabilityText(grounding)}${tokens.length > 1 ? `, tokens ${parts}` : ""}"
      data-token-index=${t}
      data-context-index=${j}
      @pointerdown=${(event: PointerEvent) => this.press(t, event)}
      @pointermove=${(event: PointerEvent) => this.drag(t, event)}
      @click=${(event: MouseEvent) => this.choose(t, event)}
      @mouseenter=${over}
      @mouseleave=${out}
    >${groupText(explanation, group)}</button>`;
  }

  /** To the selected tokens: the largest of its own tokens' to the first unit's. */
  private relevance({ first, end }: Group): number {
    let largest = 0;
    for (const t of this.tokens.slice(0, this.more ? 1 : undefined)) {
      for (let j = first; j < end; j++) largest = Math.max(largest, matrixValue(this.explanation, "relevance", t, j) || 0);
    }
    return largest;
  }

  private selectedText(): string {
    return rowText(this.explanation, answerUnits(this.explanation, this.unit)[unitAt(this.explanation, this.unit, this.selected)]!);
  }
}
customElements.define("mmx-answer-strip", AnswerStrip);
