// Through the thought: what the selected word rests on directly, and which sentences of the thought it
// rests on, each opening to what it rests on itself and selecting its map.
import { css, html, nothing } from "lit";
import type { Explanation } from "../data/explanation";
import { PanelElement, controls, unattributed } from "../view/base";
import { natsText, tokenText } from "../view/text";
import { pointing } from "./where";
import { spanMap } from "../pixels/heatmap";
import { NOTABLE } from "./influence";
import { type Chain, type Sentence, type Support, chainOf, firstBehind, thoughtIn } from "./through_thought";
import { tokensOf, unitsText } from "./units";

/** Of each list, until all are asked for. */
const SHOWN = 6;
const SHOWN_DIRECT = 3;

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
      .place {
        padding: 2px 4px;
        color: var(--muted);
      }
      .row .number {
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
        <button @click=${() => this.ask("token-select", firstBehind(explanation))}>The first word behind it</button>`;
    }
    this.word = { context: explanation.context, tokens: [...behind] };
    const { direct, sentences } = chain;
    const strongest = sentences.filter(({ nats }) => Math.abs(nats) >= NOTABLE).sort((a, b) => b.share - a.share).slice(0, SHOWN);
    const shown = this.all ? sentences : sentences.filter((sentence) => strongest.includes(sentence));
    return html`
      <h2>“${unitsText(explanation, behind, "words")}” through the thought</h2>
      <p class="number">${shareText(chain)}</p>
      <h3><span tabindex="0" data-term="influence">Directly</span></h3>
      <ul>
        ${supportRows(direct, SHOWN_DIRECT)}
      </ul>
      <h3><span tabindex="0" data-term="sentence">Without a sentence of the thought</span></h3>
      <ol>
        ${shown.length ? shown.map((sentence) => html`<li>${this.sentence(sentence)}</li>`) : html`<li class="muted">no single sentence changes it much</li>`}
      </ol>
      ${sentences.length > strongest.length
        ? html`<button class="quiet" aria-expanded=${this.all} @click=${() => (this.all = !this.all)}>
            ${this.all ? "only the strongest" : `all ${sentences.length} sentences`}
          </button>`
        : nothing}
    `;
  }

  private sentence(sentence: Sentence) {
    const { first, end, at, text, nats, share, supports } = sentence;
    const selected = this.tokens[0] === first && this.tokens.at(-1) === end - 1;
    return html`<details>
      <summary
        ?data-selected=${selected}
        title="Selects it: which places would say its words"
        @click=${() => this.ask("span-select", { from: first, to: end - 1 })}
      >
        ${row(html`<span class="muted">${at}</span> ${text}`, nats, share)}
      </summary>
      <ul>
        ${supportRows(supports, SHOWN)} ${this.place(sentence)}
      </ul>
    </details>`;
  }

  /** Where on the picture its words would be said: the chain's last step. */
  private place({ first, end }: Sentence) {
    const map = spanMap(this.explanation.layers.at(-1)!, tokensOf({ first, end }), "mean");
    const points = map && pointing(map);
    return points ? html`<li class="place"><span tabindex="0" data-term="place">${points.text} would say its words</span></li>` : nothing;
  }
}
customElements.define("mmx-thought-chain", ThoughtChain);

/** "Of all that speaks for it 62 % is in words, 30 % in the thought, 8 % in the picture." */
function shareText({ direct, sentences }: Chain) {
  const sum = (shares: number[]) => shares.reduce((all, share) => all + share, 0);
  const [words, thought, picture] = [
    sum(direct.flatMap(({ word, share }) => (word ? [share] : []))),
    sum(sentences.map(({ share }) => share)),
    sum(direct.flatMap(({ word, share }) => (word ? [] : [share]))),
  ].map((share) => `${Math.round(100 * share)} %`);
  const seen = direct.some(({ word }) => !word);
  return html`<span tabindex="0" data-term="through">Of all that speaks for it: ${thought} sentences of the thought, ${words} other words${seen ? `, ${picture} the picture` : ""}</span>`;
}

/** The strongest; what changes next to nothing has no row. */
function supportRows(supports: readonly Support[], most: number) {
  const shown = supports.filter(({ nats }) => nats >= NOTABLE).slice(0, most);
  if (!shown.length) return html`<li class="muted">no single word of the context, nor the picture</li>`;
  return shown.map(({ word, nats, share }) => html`<li>${row(word ? `“${tokenText(word.text)}”` : "the picture, against others", nats, share)}</li>`);
}

function row(name: unknown, nats: number, share: number) {
  return html`<span class="row">
    <span class="name">${name}</span>
    <span class="bar" style="--share:${(100 * share).toFixed(1)}%" title="${Math.round(100 * share)} %"></span>
    <span class="number">${natsText(nats)}</span>
  </span>`;
}
