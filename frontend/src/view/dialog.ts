// What the sheets that open over the panel have in common.
import { type CSSResultGroup, css } from "lit";
import { PanelElement, controls } from "./base";

export class Dialog extends PanelElement {
  static override styles: CSSResultGroup = [
    controls,
    css`
      dialog {
        width: min(var(--width), 94vw);
        max-height: 92vh;
        overflow: auto;
        padding: 18px 22px;
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
        align-items: center;
        justify-content: space-between;
        margin-bottom: 12px;
      }
      h1 {
        margin: 0;
        font-size: 16px;
      }
    `,
  ];

  protected get dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector("dialog");
  }

  protected close(): void {
    this.dialog?.close();
  }

  protected outside(event: Event): void {
    if (event.target === event.currentTarget) this.close();
  }
}
