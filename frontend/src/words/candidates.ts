// What the model would have said at the selected token's place, and how sure it was.
import { css, html, nothing } from "lit";
import { alternativeKey } from "./alternative";
import { whyNot } from "./candidate_search";
import { choiceText, reasonTexts } from "./reasons";
import { type Alternative, type Candidate, type Explanation, answerToken } from "../data/explanation";
import { probabilityText, tokenText, valueText } from "../view/text";
import { methodOf } from "../data/method";
import { isLittle, strengthOf } from "./evidence";
import { groundingOf } from "./figures";
import type { Peaks } from "../pixels/range";
import { PanelElement, controls, unattributed } from "../view/base";

const SHOWN = 5;

interface Spoken {
  explanation: Explanation;
  tokens: number[];
}

export class Candidates extends PanelElement {
  static override properties = {
    explanation: unattributed,
    tokens: { attribute: false, hasChanged: (one: number[], other?: number[]) => one.join() !== other?.join() },
    alternative: unattributed,
    other: unattributed,
    held: unattributed,
    typed: { state: true },
  };
  declare explanation: Explanation;
  /** Those selected. */
  declare tokens: number[];
  /** Which alternative is shown on the stage. */
  declare alternative: number | null;
  /** B and the tokens that stand for A's, while something is compared. */
  declare other: Spoken | null;
  /** What its colours are held to. */
  declare held: Peaks;
  /** The word asked about. */
  typed = "";

  static override styles = [
    controls,
    css`
      :host {
        display: block;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        justify-content: space-between;
        gap: 2px 12px;
        margin-bottom: 8px;
      }
      ol {
        display: grid;
        grid-template-columns: fit-content(40%) 1fr auto;
        gap: 5px 12px;
        align-items: center;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      ol.mapped {
        grid-template-columns: fit-content(40%) 1fr auto auto;
      }
      li {
        display: contents;
      }
      li button {
        display: block;
        height: 20px;
        padding: 0 8px;
        font-size: 11px;
        color: var(--accent);
      }
      [aria-pressed="true"] {
        border-color: var(--warning);
        color: var(--warning);
      }
      .name {
        overflow: hidden;
        min-width: 84px;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .reasons {
        margin: 8px 0 0;
        line-height: 1.4;
      }
      .why {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
        margin: 8px 0 0;
        color: var(--muted);
      }
      .why input {
        width: 12ch;
        height: 24px;
        padding: 0 6px;
        border: 1px solid var(--line);
        border-radius: 6px;
        background: var(--surface);
      }
      .why button {
        height: 24px;
        color: var(--accent);
      }
      .said .name,
      .said .number {
        font-weight: 600;
      }
      .b {
        color: var(--side-b);
      }
      .bars {
        display: grid;
        gap: 1px;
      }
      /* Where there is little room, it is the matrix's. */
      @media (max-height: 860px) and (min-width: 981px) {
        .compared li:nth-child(n + 4) {
          display: none;
        }
      }
      .bar.in-b {
        height: 3px;
        background: linear-gradient(var(--side-b), var(--side-b)) 0 0 / var(--share) 100% no-repeat var(--hover);
      }
      .bar {
        height: 6px;
        border-radius: 3px;
        background: linear-gradient(var(--accent), var(--accent)) 0 0 / var(--share) 100% no-repeat var(--hover);
      }
    `,
  ];

  override render() {
    const { alternatives, candidates, promptLength } = this.explanation;
    const { tokens, first } = this;
    const said = answerToken(this.explanation, first);
    const place = promptLength + first;
    const leading = candidates[place]?.slice(0, SHOWN) ?? [];
    const mapped = alternatives.filter(({ context }) => tokens.includes(context - promptLength));
    const theirs = this.theirs;
    // What B would have said has its line, even where A hardly thinks of it.
    const alternative = [...mapped.map(({ candidate }) => candidate), ...theirs.slice(0, 1).map((one) => ({ ...one, probability: NaN }))];
    const others = alternative.filter(({ id }, i) => !leading.some((one) => one.id === id) && alternative.findIndex((one) => one.id === id) === i);
    return html`
      <header>
        <h2>Predictions for “<bdi>${tokenText(said?.text ?? "")}</bdi>”${tokens.length > 1 ? `, 1st of ${tokens.length} tokens` : ""}</h2>
        ${theirs.length ? html`<h2><span class="b">B</span> → A</h2>` : nothing} ${this.share()}
      </header>
      <ol class="${mapped.length ? "mapped" : ""} ${theirs.length ? "compared" : ""}">
        ${[...leading, ...others].map(
          (entry) => html`
            <li class=${entry.id === said?.id ? "said" : ""}>
              <span class="name">${tokenText(entry.text)}</span>
              <span class="bars">
                <span class="bar" style="--share:${(100 * entry.probability || 0).toFixed(1)}%"></span>
                ${theirs.length ? html`<span class="bar in-b" style="--share:${(100 * chanceOf(theirs, entry.id) || 0).toFixed(1)}%"></span>` : nothing}
              </span>
              <span class="number">${theirs.length ? html`<span class="b">${probabilityText(chanceOf(theirs, entry.id))}</span> → ` : nothing}${probabilityText(entry.probability)}</span>
              ${mapped.length ? html`<span>${this.mapButton(mapped.find(({ candidate }) => candidate.id === entry.id))}</span>` : nothing}
            </li>
          `,
        )}
      </ol>
      ${leading.length ? "" : html`<p class="muted">No predictions were logged.</p>`} ${this.reasons()}
      <p class="why">
        <label>why not <input .value=${this.typed} placeholder="a word" @input=${(event: Event) => (this.typed = (event.target as HTMLInputElement).value)} /></label>
        ${this.typed.trim() ? this.answered() : nothing}
      </p>
    `;
  }

  /** B's before A's. */
  private share() {
    const [own, theirs] = [this.shareText(this), this.other && this.shareText(this.other)];
    if (!own && !theirs) return nothing;
    return html`<h2 class="number" tabindex="0" data-term="grounding">
      share on picture ${this.other ? html`<span class="b">${theirs || "–"}</span> → ` : nothing}${own || "–"}
    </h2>`;
  }

  /** Of how much: of next to nothing a share would say nothing. */
  private shareText({ explanation, tokens }: Spoken): string {
    const share = groundingOf(explanation, tokens);
    if (share === null) return "";
    const little = isLittle(explanation, tokens, this.held) ? ` of little: ${valueText(strengthOf(explanation, tokens))} ${methodOf(explanation).unit}` : "";
    return probabilityText(share) + little;
  }

  /** B's predictions for the same place. */
  private get theirs(): readonly Candidate[] {
    const { other } = this;
    const first = other?.tokens[0];
    return first === undefined ? [] : (other!.explanation.candidates[other!.explanation.promptLength + first] ?? []);
  }

  private get first(): number {
    return this.tokens[0]!;
  }

  /** Of the word beside the answer that is shown: what speaks for what was said over it. */
  private reasons() {
    const { alternative, explanation } = this;
    const texts = alternative === null ? [] : reasonTexts(explanation, alternative);
    if (!texts.length) return nothing;
    return html`<p class="reasons number" role="status" tabindex="0" data-term="reasons">for <bdi>${choiceText(explanation, alternative!)}</bdi>: ${texts.join(", ")}</p>`;
  }

  /** Puts the word's own map on the stage, and takes it off again. */
  private mapButton(entry: Alternative | undefined) {
    if (!entry) return nothing;
    const shown = this.alternative !== null && this.explanation.alternatives[this.alternative] === entry;
    const word = tokenText(entry.candidate.text);
    return html`<button
      aria-pressed=${shown}
      aria-label="Map of “${word}”"
      title="Which places would say it, and what speaks for the one over the other"
      @click=${() => this.ask("view-change", { alternative: shown ? "" : alternativeKey(entry), compare: "single" })}
    >map</button>`;
  }

  private answered() {
    const { rank, probability, mappedBy, alternative } = whyNot(this.explanation, this.first, this.typed);
    const kept = rank === null ? "not among the predictions kept" : `rank ${rank}`;
    return html`<span role="status">${kept}${probability === null ? "" : `, p ${probabilityText(probability)}`} ·</span>
      ${alternative !== null
        ? this.mapButton(this.explanation.alternatives[alternative])
        : mappedBy === null
          ? html`<span class="muted">no map of it was logged</span>`
          : html`<button class="quiet" @click=${() => this.ask("token-select", mappedBy)}>its map: token ${mappedBy + 1}</button>`}`;
  }
}
customElements.define("mmx-candidates", Candidates);

/** NaN where it is not among those kept. */
function chanceOf(candidates: readonly Candidate[], id: number): number {
  return candidates.find((one) => one.id === id)?.probability ?? NaN;
}
