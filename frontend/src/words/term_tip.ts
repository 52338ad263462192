// One sentence on a number that is pointed at, focused or tapped.
import { css, html, nothing } from "lit";
import { GLOSSARY } from "./glossary";
import { PanelElement, unattributed } from "../view/base";

const MARGIN = 8;

export class TermTip extends PanelElement {
  static override properties = { term: unattributed, at: unattributed };
  declare term: string;
  /** The box of what it explains. */
  declare at: DOMRect;

  static override styles = css`
    :host {
      position: fixed;
      z-index: 20;
      width: max-content;
      max-width: min(340px, calc(100vw - ${2 * MARGIN}px));
      pointer-events: none;
    }
    div {
      padding: 9px 13px 10px;
      border: 1px solid var(--line);
      border-radius: 10px;
      background: var(--surface);
      color: var(--text);
      box-shadow: 0 8px 28px rgb(0 0 0 / 0.2);
      line-height: 1.45;
    }
    p {
      margin: 3px 0 0;
    }
    .good {
      color: var(--muted);
    }
  `;

  override render() {
    const found = GLOSSARY.get(this.term);
    if (!found) return nothing;
    return html`<div role="status">
      <strong>${found.name}</strong>
      <p>${found.says}</p>
      <p class="good">Good: ${found.good.replace(/^\w/, (letter) => letter.toLowerCase())}</p>
    </div>`;
  }

  /** Below what it explains, or above where there is no room. */
  override updated(): void {
    const { left, top, bottom } = this.at;
    const { offsetWidth: width, offsetHeight: height } = this;
    const below = bottom + MARGIN + height <= window.innerHeight;
    this.style.left = `${Math.max(MARGIN, Math.min(left, window.innerWidth - width - MARGIN))}px`;
    this.style.top = `${below ? bottom + 5 : Math.max(MARGIN, top - height - 5)}px`;
  }
}
customElements.define("mmx-term-tip", TermTip);
