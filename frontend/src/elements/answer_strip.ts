// The answer as text: each token tinted by how much it read from the image, and underlined by how
// much the selected token leaned on it.
import { css, html, nothing } from "lit";
import { type Explanation, type Token, matrixValue } from "../core/explanation";
import { probabilityText, startsWord, tokenText } from "../core/text";
import { type Hover, NO_HOVER, PanelElement, controls } from "./base";

const STRONGEST_TINT = 0.62;

export class AnswerStrip extends PanelElement {
  static override properties = {
    explanation: { attribute: false },
    selected: { attribute: false },
    template: { type: Boolean },
    hover: { attribute: false },
  };
  declare explanation: Explanation;
  declare selected: number;
  declare template: boolean;
  declare hover: Hover;

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
      .answer {
        cursor: pointer;
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
      .key {
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

  override render() {
    const { context, promptLength } = this.explanation;
    const spaced = context.some((token) => startsWord(token.text));
    const shown = context.map((token, j) =>
      token.special && !this.template ? nothing : this.token(token, j, !spaced || startsWord(token.text)),
    );
    return html`
      <div class="text">
        <span role="group" aria-label="Prompt">${shown.slice(0, promptLength)}</span>
        <span class="answer-start" role="listbox" aria-label="Answer tokens" aria-orientation="horizontal">
          ${shown.slice(promptLength)}
        </span>
      </div>
      <div class="key" aria-hidden="true">
        <span class="tint"></span><span>read from the image</span>
        <span class="line"></span><span>relevant to “${this.selectedText()}”</span>
      </div>
    `;
  }

  override updated(): void {
    this.renderRoot.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  /** Move the keyboard's focus along with the selection, where it already is on a token. */
  focusSelected(): void {
    if (!this.shadowRoot!.activeElement?.classList.contains("answer")) return;
    this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }

  private token(token: Token, j: number, word: boolean) {
    const t = j - this.explanation.promptLength;
    const relevance = matrixValue(this.explanation, "relevance", this.selected, j);
    const kind = `token ${word ? "word" : ""} ${token.special ? "special" : ""} ${
      this.hover.column === j || this.hover.row === t ? "hovered" : ""
    }`;
    const style = `--relevance:${Number.isNaN(relevance) ? 0 : relevance.toFixed(3)}`;
    const over = () => this.ask("hover-change", { row: null, column: j });
    const out = () => this.ask("hover-change", NO_HOVER);
    if (t < 0) {
      return html`<span class="${kind} prompt" style=${style} data-context-index=${j} @mouseenter=${over} @mouseleave=${out}>${tokenText(token.text)}</span>`;
    }
    const grounding = this.explanation.grounding[t];
    const tint = STRONGEST_TINT * (grounding ?? 0);
    return html`<button
      class="${kind} answer"
      role="option"
      aria-selected=${t === this.selected}
      tabindex=${t === this.selected ? 0 : -1}
      style="${style};--tint:${tint.toFixed(3)}"
      title="grounding ${probabilityText(grounding)}"
      data-token-index=${t}
      data-context-index=${j}
      @click=${() => this.ask("token-select", t)}
      @mouseenter=${over}
      @mouseleave=${out}
    >${tokenText(token.text)}</button>`;
  }

  private selectedText(): string {
    const { context, promptLength } = this.explanation;
    return tokenText(context[promptLength + this.selected]?.text ?? "");
  }
}
customElements.define("mmx-answer-strip", AnswerStrip);
