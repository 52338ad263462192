// What was made, to be saved: by a link, or by the host where links save nothing.
import { css, html } from "lit";
import type { Host } from "./host";

export const savingStyle = css`
  a {
    display: inline-flex;
    align-items: center;
    height: 30px;
    padding: 0 12px;
    border: 1px solid var(--line);
    border-radius: 8px;
    color: inherit;
    text-decoration: none;
  }
  a:hover {
    border-color: var(--muted);
  }
`;

export function saving(host: Host | null, what: string, address: string, name: string, told: (said: string) => void) {
  if (!host?.save) return html`<a href=${address} download=${name}>${what}</a>`;
  const save = async () => told((await host.save!(name, await (await fetch(address)).blob())) ? "saved" : "not saved");
  return html`<button @click=${save}>${what}</button>`;
}
