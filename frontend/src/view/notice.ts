// What is said when there is nothing to show: loading, no data yet, damaged, server gone.
import { css, html, nothing } from "lit";
import { NO_ANSWER } from "../data/fetch_checked";
import type { Status } from "./status";
import { PanelElement, controls, unattributed } from "./base";

const SNIPPET = [
  "import mmx_core as mmx",
  "",
  "explainer = mmx.Explainer(model, processor)",
  'explanation = explainer.explain(image, "Describe the image.")',
  'mmx.add_explanation("runs/first", "val/0000", explanation, global_step=0)',
].join("\n");

export class Notice extends PanelElement {
  static override properties = {
    status: unattributed,
    place: unattributed,
    copied: { state: true },
  };
  declare status: Status;
  /** What was asked for, in words. */
  place = "";
  copied = "";

  static override styles = [
    controls,
    css`
      :host {
        display: grid;
        place-items: center;
        height: 100%;
        padding: 24px;
      }
      .box {
        max-width: 660px;
        width: 100%;
      }
      h1 {
        margin: 0 0 8px;
        font-size: 20px;
        font-weight: 600;
      }
      p {
        margin: 0 0 16px;
        color: var(--muted);
        line-height: 1.5;
      }
      pre {
        overflow-x: auto;
        margin: 0 0 12px;
        padding: 14px 16px;
        border: 1px solid var(--line);
        border-radius: 10px;
        background: var(--chrome);
        font: 12.5px/1.6 ui-monospace, "Roboto Mono", monospace;
      }
      button.primary {
        height: 34px;
        border-color: var(--accent);
        color: var(--accent);
        font-weight: 600;
      }
      .skeleton {
        align-self: stretch;
        display: grid;
        grid-template: 40px minmax(120px, 1fr) / 1.15fr 1fr;
        gap: 16px;
        width: 100%;
        height: 100%;
      }
      .skeleton div {
        border-radius: 10px;
        background: var(--hover);
        animation: breathe 1.6s ease-in-out infinite;
      }
      .skeleton div:first-child {
        grid-column: 1 / -1;
      }
      @keyframes breathe {
        50% {
          opacity: 0.5;
        }
      }
      @media (prefers-reduced-motion: reduce) {
        .skeleton div {
          animation: none;
        }
      }
    `,
  ];

  override render() {
    switch (this.status.kind) {
      case "loading":
        return html`<div class="skeleton" role="status" aria-label="Loading">
          <div></div>
          <div></div>
          <div></div>
        </div>`;
      case "empty":
        return this.empty();
      case "gone":
        return this.status.message === NO_ANSWER
          ? this.box("TensorBoard does not answer", "Your view is kept.")
          : this.box("The log cannot be read", this.status.message);
      case "damaged":
        return this.box(`${this.place} cannot be shown`, `${sentence(this.status.message)} Other steps and samples can still be opened.`);
      case "ready":
        return nothing;
    }
  }

  private box(title: string, text: string) {
    return html`<div class="box" role="alert">
      <h1>${title}</h1>
      <p>${text}</p>
      <button class="primary" @click=${() => this.ask("retry", null)}>Try again</button>
    </div>`;
  }

  private empty() {
    return html`<div class="box">
      <h1>No explanations here yet</h1>
      <p>
        Log one, and it appears with TensorBoard's next reload; log the same samples at every checkpoint to see what changed.
      </p>
      <pre tabindex="0" aria-label="Example">${SNIPPET}</pre>
      <button class="primary" @click=${this.copy}>Copy</button>
      <span class="muted" role="status">${this.copied}</span>
    </div>`;
  }

  /** Where a frame may not write the clipboard, the text is selected instead. */
  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(SNIPPET);
      this.copied = "Copied.";
    } catch {
      getSelection()?.selectAllChildren(this.renderRoot.querySelector("pre")!);
      this.copied = "Selected: press Ctrl+C or ⌘C.";
    }
  }
}
customElements.define("mmx-notice", Notice);

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
