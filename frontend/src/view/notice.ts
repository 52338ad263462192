// What is said when there is nothing to show: loading, damaged, server gone; that there is no data yet, in
// how_to_log.ts.
import { css, html, nothing } from "lit";
import { NO_ANSWER } from "../data/fetch_checked";
import type { Status } from "./status";
import { PanelElement, controls, unattributed } from "./base";

export const boxed = css`
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
  button.primary {
    height: 34px;
    border-color: var(--accent);
    color: var(--accent);
    font-weight: 600;
  }
`;

export class Notice extends PanelElement {
  static override properties = {
    status: unattributed,
    place: unattributed,
  };
  declare status: Status;
  /** What was asked for, in words. */
  place = "";

  static override styles = [
    controls,
    boxed,
    css`
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
      case "gone":
        return this.status.message === NO_ANSWER
          ? this.box("TensorBoard does not answer", "Your view is kept.")
          : this.box("The log cannot be read", this.status.message);
      case "damaged":
        return this.box(`${this.place} cannot be shown`, `${sentence(this.status.message)} Other steps and samples can still be opened.`);
      case "empty":
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
}
customElements.define("mmx-notice", Notice);

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
