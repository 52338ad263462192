// The sheet of shortcuts.
import { css, html } from "lit";
import { Dialog } from "./dialog";
import { keepShortcuts, shortcutsOn } from "./shortcuts";

const SHORTCUTS: [string, string][] = [
  ["w", "words, or their tokens"],
  ["← →", "previous, next word or token"],
  ["Shift + ← →", "a span of them, longer or shorter"],
  ["n p", "next, previous word that the model would not have said"],
  ["Home End", "first, last word or token"],
  ["↑ ↓", "through the scales"],
  ["u", "the map of what would say the word, or of what it used"],
  ["[ ]", "previous, next step"],
  [", .", "previous, next image or frame"],
  ["space", "play through the steps"],
  ["k j", "previous, next sample"],
  ["/", "search samples"],
  ["+ − 0", "zoom in, out, whole image"],
  ["Shift + arrows", "move the zoomed image, focused"],
  ["Enter", "begin or end a region of the image, focused: arrows move it, with Shift they size it"],
  ["arrows + − 0", "cells and zoom of the matrix, focused"],
  ["v", "one, side by side, swipe, blink, difference"],
  ["x", "swap A and B"],
  ["b", "show the other (blink)"],
  ["h", "the token over all steps"],
  ["a", "the token in all runs, step by step"],
  ["f", "talk view: full screen, word by word, or one word step by step"],
  ["l", "table of samples"],
  ["e", "export"],
  ["Esc", "no region, no span, no marked word"],
  ["m", "the matrix's next table"],
  ["r", "range of the colours"],
  ["c", "colour map"],
  ["s g t", "smooth, grey image, template tokens"],
  ["o", "outline of the object that the word names, where masks were logged"],
  ["Alt + ←", "back to the view before"],
  ["?", "this sheet"],
];

export class Help extends Dialog {
  static override styles = [
    Dialog.styles,
    css`
      dialog {
        --width: 460px;
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
      label {
        display: flex;
        align-items: center;
        gap: 8px;
        margin-top: 14px;
      }
      p {
        margin: 14px 0;
        color: var(--muted);
        line-height: 1.5;
      }
    `,
  ];

  protected override readonly heading = "Keyboard shortcuts";

  protected override content() {
    return html`<dl>${SHORTCUTS.map(([keys, what]) => html`<dt>${keys}</dt><dd>${what}</dd>`)}</dl>
      <label><input type="checkbox" .checked=${shortcutsOn()} @change=${this.switched} />keys of one letter, digit or sign</label>
      <p>
        Orange: what the picture adds to a word. Red frame: a word, or a scale, where the model would have said another; dotted: a word of which it is unsure.
        Bright: places that would say the word. Any number tells what it says when pointed at, focused or tapped.
      </p>
      <button @click=${this.guide}>Look around</button>`;
  }

  private guide(): void {
    this.close();
    this.ask("guide-toggle", true);
  }

  private switched(event: Event): void {
    keepShortcuts((event.target as HTMLInputElement).checked);
  }
}
customElements.define("mmx-help", Help);
