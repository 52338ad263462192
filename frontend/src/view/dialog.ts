// A sheet that opens over the panel; one of a kind fills in what it says.
import { type CSSResultGroup, css, html } from "lit";
import { PanelElement, controls } from "./base";

export abstract class Dialog extends PanelElement {
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
      .head {
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

  protected abstract readonly heading: string;
  protected abstract content(): unknown;

  override render() {
    return html`<dialog aria-labelledby="title" @close=${this.closed} @click=${this.outside}>
      <div class="head">
        <h1 id="title">${this.heading}</h1>
        <button class="quiet" aria-label="Close" @click=${this.close}>✕</button>
      </div>
      ${this.content()}
    </dialog>`;
  }

  get isOpen(): boolean {
    return !!this.dialog?.open;
  }

  show(): void {
    this.dialog!.showModal();
  }

  protected close(): void {
    this.dialog?.close();
  }

  protected closed(): void {}

  private get dialog() {
    return this.renderRoot.querySelector("dialog");
  }

  private outside(event: Event): void {
    if (event.target === event.currentTarget) this.close();
  }
}
