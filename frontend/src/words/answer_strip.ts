// The answer as text: each word or token tinted by what the picture adds to it, marked where the model
// would have said another, and underlined by how alike its prediction is to the selected one's.
import { type PropertyValues, html, nothing } from "lit";
import type { Compared } from "./changes";
import { alternativeKey } from "./alternative";
import { type Explanation, answerLength, answerToken, matrixValue } from "../data/explanation";
import { methodOf } from "../data/method";
import { STRONGEST_TINT, stripStyle } from "./answer_strip_style";
import { doubtfulUnits, followingDoubt } from "./doubtful";
import { evidenceOf, evidenceText, tintOf } from "./evidence";
import { insteadOf, isUnsure } from "./figures";
import { influenceIn, lineOf } from "./influence";
import { type Underlined, lineKey, underlined, withoutText } from "./line_key";
import type { Peaks } from "../pixels/range";
import { rove } from "./roving";
import { nearEnds, reveal } from "./scroll";
import { type Group, UNITS, type Unit, answerUnits, contextUnits, groupText, rowText, tokensOf, unitAt } from "./units";
import { selectedTokens } from "../view/selection";
import { COMBINATIONS, type Combination } from "../view/state";
import { probabilityText, startsWord, tokenText, valueText } from "../view/text";
import { type Hover, NO_HOVER, PanelElement, controls, options, unattributed } from "../view/base";

/** So many tokens before and after `middle` have a button: those of a long answer would take more than a frame. */
const REACH = 80;
/** Pixels from an end of what is drawn, at which more is. */
const NEAR = 60;
/** Words; a longer answer has a map of itself. */
const LONG_ANSWER = 150;
/** Words; a longer prompt would push the answer out of sight. */
const LONGEST_PROMPT = 48;
/** Of a folded prompt's words, how many are named. */
const NAMED = 3;

export class AnswerStrip extends PanelElement {
  static override properties = {
    explanation: unattributed,
    selected: unattributed,
    more: unattributed,
    unit: unattributed,
    combine: unattributed,
    pinned: unattributed,
    alternative: unattributed,
    other: unattributed,
    held: { attribute: false, hasChanged: (one: Peaks, two?: Peaks) => JSON.stringify(one) !== JSON.stringify(two) },
    template: { type: Boolean },
    hover: unattributed,
    unfolded: { state: true },
    comparing: { state: true },
    stop: { state: true },
    middle: { state: true },
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
  declare alternative: string;
  /** B's answer and how its tokens stand to these; null while nothing is compared. */
  declare other: Compared | null;
  /** What the tint is held to. */
  declare held: Peaks;
  declare template: boolean;
  declare hover: Hover;
  /** A long prompt is shown whole. */
  unfolded = false;
  /** Sets B under A; loaded once there is a B. */
  comparing: typeof import("./comparing") | null = null;
  /** The prompt's word that Tab comes to, as a context token. */
  stop = 0;
  /** The answer token around which words have buttons: near the selected one, until one scrolls away. */
  middle = 0;

  /** Those selected. */
  private tokens: number[] = [];
  /** What the lines below are on. */
  private on: Underlined = { tokens: [], influences: [], over: null };
  /** Where a drag over tokens began. */
  private anchor: number | null = null;
  /** A word that was drawn before others were and still is, and how far below the upper edge. */
  private kept: { word: HTMLElement; top: number } | null = null;

  static override styles = [controls, stripStyle];

  override willUpdate(changed: PropertyValues<this>): void {
    const far = Math.abs(this.selected - this.middle) > REACH / 2;
    if (far && (changed.has("selected") || changed.has("explanation"))) this.middle = this.selected;
    if (this.isLong) void import("./minimap").catch(() => undefined);
    if (this.other && !this.comparing) void this.loadComparing();
    this.tokens = selectedTokens({ token: this.selected, more: this.more, unit: this.unit }, this.explanation);
    this.on = underlined(this.explanation, this.hover.column, this.tokens, this.unit, this.alternative);
  }

  private async loadComparing(): Promise<void> {
    const part = await import("./comparing").catch(() => null);
    if (part) this.adopt(part.versusStyle);
    this.comparing = part;
  }

  override render() {
    const { context, cutFrom, promptLength, turns } = this.explanation;
    const spaced = context.some((token) => startsWord(token.text));
    let turn = turns.length > 2 ? -1 : Infinity;
    const groups = contextUnits(this.explanation, this.unit);
    const seen = ({ first }: Group) => Math.abs(first - promptLength - this.middle) <= REACH && (!context[first]!.special || this.template);
    const prompts = groups.filter((group) => group.first < promptLength && seen(group));
    const stop = (prompts.find(({ first }) => first === this.stop) ?? prompts[0])?.first;
    const shown = groups.map((group) => {
      const j = group.first;
      const token = context[j]!;
      if (!seen(group)) return nothing;
      const opens = token.turn > turn;
      if (opens) turn = token.turn;
      const drawn = this.unitButton(group, !spaced || startsWord(group.name ?? token.text), j === stop);
      return opens ? html`${j ? html`<br />` : nothing}<span class="turn">${turns[turn]}</span>${drawn}` : drawn;
    });
    const prompt = groups.findIndex(({ first }) => first >= promptLength);
    return html`
      <div class="passage">
      <div class="text" @scroll=${this.scrolled}>
        <span role="group" aria-label="Prompt" dir="auto" @keydown=${rove} @focusin=${this.stopped}>${this.prompt(groups.slice(0, prompt), shown)}</span>
        <span class="answer-start" dir="auto" role="listbox" aria-multiselectable="true" aria-label="Answer tokens" aria-orientation="horizontal">
          ${this.other && this.comparing ? this.comparing.versus(this.explanation, this.other, this.unit, this.tokens, this.held, shown.slice(prompt)) : shown.slice(prompt)}
        </span>
        <span class="muted">${cutFrom ? `… ${context.length - promptLength} of ${cutFrom} tokens logged` : ""}</span>
      </div>
      ${this.isLong
        ? html`<mmx-minimap .explanation=${this.explanation} .selected=${this.selected} .unit=${this.unit} .held=${this.held}></mmx-minimap>`
        : nothing}
      </div>
      <slot></slot>
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
        ${this.doubts()}
        ${this.key()}
      </div>
    `;
  }

  override firstUpdated(): void {
    this.watchSize();
  }

  /** Long ones fold to a line. */
  private prompt(groups: readonly Group[], shown: readonly unknown[]) {
    const words = groups.filter(({ first }) => !this.explanation.context[first]!.special);
    const parts = shown.slice(0, groups.length);
    if (words.length <= LONGEST_PROMPT) return parts;
    const strongest = words
      .map((group) => ({ text: groupText(this.explanation, group), line: this.lineUnder(group) }))
      .sort((one, other) => other.line - one.line)
      .slice(0, NAMED)
      .filter(({ line }) => line > 0);
    const said = `${words.length} words${strongest.length ? `; strongest: ${strongest.map(({ text }) => text).join(", ")}` : ""}`;
    return html`<button class="quiet fold" aria-expanded=${this.unfolded} @click=${this.fold}>
        ${this.unfolded ? "▾" : "▸"} prompt: ${said}
      </button>
      ${this.unfolded ? parts : nothing}`;
  }

  override updated(changed: PropertyValues<this>): void {
    if (["size", "selected", "unit", "explanation", "other", "versus"].some((name) => changed.has(name as keyof AnswerStrip))) this.revealSelected();
    else if (this.kept) this.text.scrollTop = this.kept.word.offsetTop - this.kept.top;
    this.kept = null;
  }

  /** With what B says below it. */
  private revealSelected(): void {
    const word = this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]');
    if (word) reveal(this.text, word.closest<HTMLElement>(".column") ?? word);
  }

  private get text(): HTMLElement {
    return this.renderRoot.querySelector<HTMLElement>(".text")!;
  }

  private get isLong(): boolean {
    return answerUnits(this.explanation, this.unit).length > LONG_ANSWER;
  }

  /** Near an end of the words that are drawn, more are. */
  private scrolled(): void {
    const { text, middle } = this;
    const first = this.unfolded ? -this.explanation.promptLength : 0;
    const [up, down] = nearEnds(text, NEAR);
    if (up && middle - REACH > first) this.middle = middle - REACH / 2;
    else if (down && middle + REACH < answerLength(this.explanation) - 1) this.middle = middle + REACH / 2;
    if (this.middle === middle) return;
    const drawn = this.renderRoot.querySelectorAll<HTMLElement>(".token");
    const word = drawn[drawn.length >> 1]!;
    this.kept = { word, top: word.offsetTop - text.scrollTop };
  }

  private fold(): void {
    this.unfolded = !this.unfolded;
    // It is what one wants to see.
    if (this.unfolded) this.middle = Math.min(this.selected, REACH - this.explanation.promptLength);
  }

  /** Move the keyboard's focus along with the selection, where it already is on a token. */
  focusSelected(): void {
    if (!this.shadowRoot!.activeElement?.classList.contains("answer")) return;
    this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }

  /** To the next or the previous word that the model would not have said. */
  moveDoubt(by: 1 | -1): void {
    const first = followingDoubt(this.doubtful, this.tokens, by);
    if (first !== null) this.ask("token-select", first);
  }

  private get doubtful(): Group[] {
    return doubtfulUnits(this.explanation, this.unit, this.template);
  }

  private doubts() {
    const { given } = this.explanation;
    const count = this.doubtful.length;
    return html`<div class="doubts">
      ${typeof given === "boolean"
        ? html`<span class="given" tabindex="0" data-term=${given ? "given" : "generated"}>answer ${given ? "given" : "generated"}</span>`
        : nothing}
      ${count
        ? html`<span class="walk">
            <button class="quiet" aria-label="Previous doubtful word" title="Previous (p)" @click=${() => this.moveDoubt(-1)}>‹</button>
            <span class="number" tabindex="0" data-term="rank">${count} doubtful</span>
            <button class="quiet" aria-label="Next doubtful word" title="Next (n)" @click=${() => this.moveDoubt(1)}>›</button>
          </span>`
        : nothing}
    </div>`;
  }

  private key() {
    const { measured, full } = evidenceOf(this.explanation, this.tokens, this.held);
    const { tint, unit } = methodOf(this.explanation);
    return html`<div class="key">
      <span class="tint"></span>
      <span class="number" tabindex="0" data-term=${measured ? "image_gain" : "strength"}>${measured ? "needs the picture" : tint}, 0 to ${valueText(full)} ${measured ? "nats" : unit}</span>
      <span class="line"></span>${lineKey(this.explanation, this.unit, this.on, this.selectedText())}
    </div>`;
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

  private stopped(event: FocusEvent): void {
    this.stop = Number((event.composedPath()[0] as HTMLElement).dataset.contextIndex);
  }

  private unitButton(group: Group, word: boolean, stop: boolean) {
    const { explanation } = this;
    const { promptLength, context } = explanation;
    const { first, end } = group;
    const [t, j] = [first - promptLength, first];
    const holds = (token: number | null) => token !== null && token >= first && token < end;
    const hovered = holds(this.hover.column) || (this.hover.row !== null && holds(this.hover.row + promptLength));
    const kind = `token ${word ? "word" : ""} ${context[j]!.special ? "special" : ""} ${hovered ? "hovered" : ""}`;
    const influence = influenceIn(this.on.influences, group);
    const line = this.lineUnder(group);
    const style = `--line-strength:${line.toFixed(3)}`;
    const removed = influence ? withoutText(explanation, this.unit, this.on, influence) : "";
    const over = () => this.ask("hover-change", { row: null, column: j });
    const out = () => this.ask("hover-change", NO_HOVER);
    if (t < 0) {
      const pinned = holds(this.pinned);
      const mapped = explanation.alternatives.find((entry) => holds(entry.context) && entry.candidate.id === context[entry.context]!.id);
      const key = mapped ? alternativeKey(mapped) : "";
      const again = mapped ? this.alternative === key : pinned;
      const asked = mapped && !again ? { alternative: key, compare: "single" as const } : { alternative: "" };
      return html`<button
        class="${kind} prompt ${pinned ? "pinned" : ""} ${mapped ? "mapped" : ""}"
        aria-pressed=${pinned}
        tabindex=${stop ? 0 : -1}
        style=${style}
        title="${mapped ? "Show its map and mark" : "Mark"} its column${removed}"
        data-context-index=${j}
        @click=${() => this.ask("view-change", { context: again ? null : j, ...asked })}
        @mouseenter=${over}
        @mouseleave=${out}
      >${groupText(explanation, group)}</button>`;
    }
    const tokens = tokensOf({ first: t, end: end - promptLength });
    const tint = STRONGEST_TINT * tintOf(explanation, tokens, this.held);
    const instead = insteadOf(explanation, tokens);
    const { comparing } = this;
    const change = this.other && comparing && comparing.changeOf(explanation, this.other, tokens);
    const parts = tokens.map((token) => tokenText(answerToken(explanation, token)!.text)).join("|");
    return html`<button
      class="${kind} answer ${change && comparing!.isNotable(change) ? "changed" : ""} ${instead ? "doubtful" : isUnsure(explanation, tokens) ? "doubtful unsure" : ""}"
      role="option"
      aria-selected=${this.tokens.includes(t)}
      tabindex=${t === this.tokens[0] ? 0 : -1}
      style="${style};--tint:${tint.toFixed(3)}"
      title="${evidenceText(explanation, tokens, this.held)}${instead ? `; would say “${tokenText(instead.text)}” ${probabilityText(instead.probability)}` : ""}${tokens.length > 1 ? `; tokens ${parts}` : ""}${removed}${change ? `; B → A ${comparing!.wordChangeText(change)}` : ""}"
      data-token-index=${t}
      data-context-index=${j}
      @pointerdown=${(event: PointerEvent) => this.press(t, event)}
      @pointermove=${(event: PointerEvent) => this.drag(t, event)}
      @click=${(event: MouseEvent) => this.choose(t, event)}
      @mouseenter=${over}
      @mouseleave=${out}
    >${groupText(explanation, group)}</button>`;
  }

  /** What it costs to do without it, or where that was not measured how alike it predicts. */
  private lineUnder(group: Group): number {
    return this.on.influences.length ? lineOf(influenceIn(this.on.influences, group), this.on.influences) : this.alike(group);
  }

  /** How alike its prediction is to the selected tokens': the largest of its own tokens' to the first unit's. */
  private alike({ first, end }: Group): number {
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
