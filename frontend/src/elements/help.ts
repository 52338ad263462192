// The sheet of shortcuts.
import { css, html } from "lit";
import { PanelElement, controls } from "./base";

const SHORTCUTS: [string, string][] = [
  ["← →", "previous, next token"],
  ["Shift + ← →", "a span of tokens, longer or shorter"],
  ["Home End", "first, last token"],
  ["↑ ↓", "through the scales"],
  ["[ ]", "previous, next step"],
  [", .", "previous, next image or frame"],
  ["space", "play through the steps"],
  ["k j", "previous, next sample"],
  ["/", "search samples"],
  ["+ − 0", "zoom in, out, whole image"],
  ["Shift + arrows", "move the zoomed image, focused"],
  ["arrows + − 0", "cells and zoom of the matrix, focused"],
  ["v", "one, side by side, swipe, blink, difference"],
  ["x", "swap A and B"],
  ["b", "show the other (blink)"],
  ["f", "the token over all steps"],
  ["l", "table of samples"],
  ["e", "export"],
  ["Esc", "no region, no span, no marked word"],
  ["m", "matrix: relevance, activation, interference"],
  ["r", "range of the colours"],
  ["c", "colour map"],
  ["s g t", "smooth, grey image, template tokens"],
  ["?", "this sheet"],
];

export class Help extends PanelElement {
  static override styles = [
    controls,
    css`
      dialog {
        width: min(460px, 92vw);
        padding: 20px 24px;
        border: 1px solid var(--line);
        border-radius: 14px;
        background: var(--surface);
        color: var(--text);
      }
      dialog::backdrop {
        background: rgb(0 0 0 / 0.4);
      }
      header {
        display: flex;
        justify-content: space-between;
        align-items: center;
        margin-bottom: 12px;
      }
      h1 {
        margin: 0;
        font-size: 16px;
      }
      dl {
        display: grid;
        grid-template-columns: max-content 1fr;
        gap: 6px 18px;
        margin: 0;
      }
      dt {
        font: 12px ui-monospace, "Roboto Mono", monospace;
        line-height: 18px;
      }
      dd {
        margin: 0;
        color: var(--muted);
      }
      p {
        margin: 14px 0 0;
        color: var(--muted);
        line-height: 1.5;
      }
    `,
  ];

  open(): void {
    this.renderRoot.querySelector("dialog")!.showModal();
  }

  override render() {
    return html`<dialog aria-labelledby="title" @click=${this.outside}>
      <header>
        <h1 id="title">Keyboard shortcuts</h1>
        <button class="quiet" aria-label="Close" @click=${this.close}>✕</button>
      </header>
      <dl>${SHORTCUTS.map(([keys, what]) => html`<dt>${keys}</dt><dd>${what}</dd>`)}</dl>
      <p>
        A token's tint is the share of its evidence that lies in the image. The heatmap is what the image's cells add to
        its logit; a scale that would have said another word is framed in red.
      </p>
    </dialog>`;
  }

  private close(): void {
    this.renderRoot.querySelector("dialog")!.close();
  }

  private outside(event: Event): void {
    if (event.target === event.currentTarget) this.close();
  }
}
customElements.define("mmx-help", Help);
