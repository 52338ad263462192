// A short look around on a first visit, told of what is on the screen.
import { css, html } from "lit";
import { answerToken } from "../data/explanation";
import { methodOf } from "../data/method";
import { natsText, stepText, valueText } from "../view/text";
import { doubtfulUnits } from "./doubtful";
import { evidenceOf } from "./evidence";
import type { Said } from "./sentence";
import { answerUnits, rowText, tokensOf } from "./units";
import { PanelElement, controls, unattributed } from "../view/base";

interface Page {
  /** Which part of the panel it is about. */
  about: string;
  text: string;
}

/** What it says, of this very answer. */
export function guidePages({ explanation, held }: Said, steps: number): Page[] {
  const read = answerUnits(explanation, "words").filter(({ first }) => !answerToken(explanation, first)!.special);
  const weighed = read.map((group) => ({ word: rowText(explanation, group), ...evidenceOf(explanation, tokensOf(group), held) }));
  const [most, least] = [1, -1].map((sign) => weighed.reduce((best, one) => (sign * (one.value - best.value) > 0 ? one : best)));
  const { unit } = methodOf(explanation);
  const amount = ({ value, measured }: { value: number; measured: boolean }) => (measured ? `${natsText(value)} nats` : `${valueText(value)} ${unit}`);
  const doubtful = doubtfulUnits(explanation, "words", false).length;
  const tint = most!.measured
    ? "The fuller a word's orange, the more it needs the picture: with other pictures it would be less likely."
    : "The fuller a word's orange, the stronger its map on the picture.";
  return [
    {
      about: "mmx-answer-strip",
      text: `The answer at step ${stepText(explanation.step)}. ${tint} Here “${most!.word}” has the most (${amount(most!)}), “${least!.word}” the least (${amount(least!)}).`,
    },
    {
      about: "mmx-sentence",
      text: `The selected word in a sentence. A red frame means that the model would have said another word, or is unsure: ${doubtful} of ${read.length} here${doubtful ? "; n and p go from one to the next" : ""}.`,
    },
    {
      about: ".seen",
      text: `Bright places would say the selected word. A colour means the same at every step${steps > 1 ? ` of the ${steps}` : ""}: what is faint here is faint beside them.`,
    },
    {
      about: "mmx-header",
      text: `Drag the steps to see it change${steps > 1 ? `, or compare two of them side by side` : ""}. Any number tells what it says when you point at it, focus or tap it; ? has the keys.`,
    },
  ];
}

export class Guide extends PanelElement {
  static override properties = { said: unattributed, steps: unattributed, page: { state: true } };
  declare said: Said;
  declare steps: number;
  page = 0;

  private pointed: Element | null = null;

  static override styles = [
    controls,
    css`
      :host {
        position: fixed;
        z-index: 15;
        right: 16px;
        bottom: 16px;
        width: min(360px, calc(100vw - 32px));
      }
      section {
        padding: 13px 16px;
        border: 1px solid var(--accent);
        border-radius: 12px;
        background: var(--surface);
        color: var(--text);
        box-shadow: 0 10px 36px rgb(0 0 0 / 0.25);
        line-height: 1.5;
      }
      p {
        margin: 4px 0 12px;
      }
      .moves {
        display: flex;
        align-items: center;
        gap: 8px;
      }
      .moves span {
        flex: 1;
      }
      .next {
        border-color: var(--accent);
        color: var(--accent);
      }
    `,
  ];

  override render() {
    const pages = guidePages(this.said, this.steps);
    const last = this.page === pages.length - 1;
    return html`<section aria-label="A look around">
      <h2>A look around</h2>
      <p role="status">${pages[this.page]!.text}</p>
      <div class="moves">
        <span class="muted number">${this.page + 1} of ${pages.length}</span>
        <button class="quiet" ?hidden=${last} @click=${this.close}>No more of this</button>
        <button class="quiet" ?hidden=${!this.page} @click=${() => (this.page -= 1)}>Back</button>
        <button class="next" @click=${() => (last ? this.close() : (this.page += 1))}>${last ? "Done" : "Next"}</button>
      </div>
    </section>`;
  }

  override updated(): void {
    const { about } = guidePages(this.said, this.steps)[this.page]!;
    this.point((this.getRootNode() as ParentNode).querySelector(about));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.point(null);
  }

  private close(): void {
    this.ask("guide-toggle", false);
  }

  /** Frames the part that it speaks of, and no other. */
  private point(part: Element | null): void {
    this.pointed?.classList.remove("pointed");
    part?.classList.add("pointed");
    this.pointed = part;
  }
}
customElements.define("mmx-guide", Guide);
