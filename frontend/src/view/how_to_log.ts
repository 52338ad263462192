// Where nothing was logged yet: how to, to copy.
import { css, html } from "lit";
import { PanelElement, controls } from "./base";
import { boxed } from "./notice";

const SNIPPET = [
  "import mmx_core as mmx",
  "",
  "explainer = mmx.Explainer(model, processor)",
  'explanation = explainer.explain(image, "Describe the image.")',
  'mmx.add_explanation("runs/first", "val/0000", explanation, global_step=0)',
].join("\n");

export class HowToLog extends PanelElement {
  static override properties = { copied: { state: true } };
  copied = "";

  static override styles = [
    controls,
    boxed,
    css`
      pre {
        overflow-x: auto;
        margin: 0 0 12px;
        padding: 14px 16px;
        border: 1px solid var(--line);
        border-radius: 10px;
        background: var(--chrome);
        font: 12.5px/1.6 ui-monospace, "Roboto Mono", monospace;
      }
    `,
  ];

  override render() {
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
customElements.define("mmx-how-to-log", HowToLog);
