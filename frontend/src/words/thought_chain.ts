// Through the thought: what the selected word rests on directly, and which sentences of the thought it
// rests on, each opening to what it rests on itself and selecting its map.
import { css, html, nothing } from "lit";
import type { Explanation } from "../data/explanation";
import { PanelElement, controls, unattributed } from "../view/base";
import { tokenText } from "../view/text";
import { natsText } from "./sentence";
import { type Sentence, type Support, chainOf, thoughtIn } from "./through_thought";
import { unitsText } from "./units";

/** Of each list, until all are asked for. */
const SHOWN = 6;

export class ThoughtChain extends PanelElement {
  static override properties = { explanation: unattributed, tokens: unattributed, all: { state: true } };
  declare explanation: Explanation;
  declare tokens: number[];
  declare all: boolean;
  /** The word stays while a sentence of its thought is selected. */
  private word: { context: Explanation["context"]; tokens: number[] } | null = null;

  static override styles = [
    controls,
    css`
      :host {
        display: block;
        overflow: auto;
      }
      h3 {
        margin: 12px 0 2px;
        font-size: inherit;
      }
      p {
        margin: 4px 0;
      }
      ul,
      ol {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      .row {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 72px 44px;
        gap: 12px;
        align-items: center;
        min-height: 24px;
        padding: 0 4px;
      }
      summary {
        cursor: pointer;
        list-style-position: outside;
        margin-left: 16px;
      }
      summary:hover {
        background: var(--hover);
      }
      summary[data-selected] {
        background: var(--accent-soft);
      }
      details ul {
        margin-left: 32px;
      }
      .name {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      details[open] .name {
        white-space: normal;
      }
      .bar {
        height: 6px;
        border-radius: 3px;
        background: linear-gradient(rgb(var(--grounding)), rgb(var(--grounding))) 0 0 / var(--share) 100% no-repeat var(--hover);
      }
      .number {
        text-align: right;
        font-variant-numeric: tabular-nums;
      }
    `,
  ];

  constructor() {
    super();
    this.all = false;
  }

  override render() {
    const { explanation } = this;
    const thought = thoughtIn(explanation);
    if (!thought) return html`<p class="muted">This answer has no thought, or the influence of its words was not measured.</p>`;
    const behind = chainOf(explanation, this.tokens) ? this.tokens : this.word?.context === explanation.context ? this.word.tokens : [];
    const chain = chainOf(explanation, behind);
    if (!chain) {
      return html`<p class="muted">Select a word behind the thought to see what it rests on.</p>
        <button @click=${() => this.ask("token-select", thought.end + 1)}>The first word behind it</button>`;
    }
    this.word = { context: explanation.context, tokens: [...behind] };
    const { direct, sentences } = chain;
    const strongest = [...sentences].sort((a, b) => b.share - a.share).slice(0, SHOWN);
    const shown = this.all ? sentences : sentences.filter((sentence) => strongest.includes(sentence));
    return html`
      <h2>“${unitsText(explanation, behind, "words")}” through the thought</h2>
      <p class="muted">What the word loses without each, in nats, measured one by one. Bars: its share of all that speaks for the word.</p>
      <h3>Directly</h3>
      <ul>
        ${supportRows(direct)}
      </ul>
      <h3>Sentences of the thought</h3>
      <ol>
        ${shown.map((sentence) => html`<li>${this.sentence(sentence)}</li>`)}
      </ol>
      ${sentences.length > strongest.length
        ? html`<button class="quiet" aria-expanded=${this.all} @click=${() => (this.all = !this.all)}>
            ${this.all ? `only the ${SHOWN} strongest` : `all ${sentences.length} sentences`}
          </button>`
        : nothing}
    `;
  }

  private sentence(sentence: Sentence) {
    const { first, end, text, nats, share, supports } = sentence;
    const selected = this.tokens[0] === first && this.tokens.at(-1) === end - 1;
    return html`<details>
      <summary
        ?data-selected=${selected}
        title="Shows what its words would say in the picture"
        @click=${() => this.ask("span-select", { from: first, to: end - 1 })}
      >
        ${row(text, nats, share)}
      </summary>
      <ul>
        ${supportRows(supports)}
      </ul>
    </details>`;
  }
}
customElements.define("mmx-thought-chain", ThoughtChain);

function supportRows(supports: readonly Support[]) {
  return supports
    .slice(0, SHOWN)
    .map(({ word, nats, share }) => html`<li>${row(word ? `“${tokenText(word.text)}”` : "the picture, against others", nats, share)}</li>`);
}

function row(name: string, nats: number, share: number) {
  return html`<span class="row">
    <span class="name">${name}</span>
    <span class="bar" style="--share:${(100 * share).toFixed(1)}%" title="${Math.round(100 * share)} %"></span>
    <span class="number">${natsText(nats)}</span>
  </span>`;
}
