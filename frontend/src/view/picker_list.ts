// The list of a picker, once it is open.
import { css, html, nothing } from "lit";

export interface Choice {
  value: string;
  name: string;
  /** Beside its name, and searched like it. */
  hint: string;
}

const LONGEST_LIST = 200;

export const listStyle = css`
  .list {
    position: absolute;
    z-index: 20;
    top: 36px;
    left: 0;
    width: min(420px, 86vw);
    max-height: min(420px, 70vh);
    overflow-y: auto;
    padding: 4px;
    border: 1px solid var(--line);
    border-radius: 10px;
    background: var(--surface);
    box-shadow: 0 8px 28px rgb(0 0 0 / 0.18);
  }
  .option {
    display: flex;
    gap: 10px;
    padding: 6px 8px;
    border-radius: 6px;
    cursor: pointer;
    white-space: nowrap;
  }
  .option span {
    overflow: hidden;
    text-overflow: ellipsis;
    color: var(--muted);
  }
  .option[aria-selected="true"] {
    background: var(--accent-soft);
  }
  .none {
    padding: 10px 8px;
    color: var(--muted);
    white-space: normal;
  }
`;

/** @param labels What one is called, and all. @param marked Which of those found is the one that Enter takes. */
export function choiceList(query: string, [one, all]: readonly [string, string], found: readonly Choice[], marked: number, choose: (value: string) => void) {
  return html`
    <div class="list" id="list" role="listbox" aria-label=${all} @mousedown=${(event: Event) => event.preventDefault()}>
      ${found.slice(0, LONGEST_LIST).map(
        ({ value, name, hint }, i) => html`
          <div class="option" id="option-${i}" role="option" aria-selected=${i === marked} title=${name} @click=${() => choose(value)}>
            <strong>${name}</strong><span>${hint}</span>
          </div>
        `,
      )}
      ${found.length ? nothing : html`<div class="none">No ${one.toLowerCase()} matches “${query}”.</div>`}
      ${found.length > LONGEST_LIST ? html`<div class="none">${found.length - LONGEST_LIST} more: type to narrow the list.</div>` : nothing}
    </div>
  `;
}
