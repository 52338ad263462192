// What is rarely open is loaded when it is asked for. In its place until then: that it is coming, or
// why it has not come.
import { html, nothing } from "lit";

/** What it is called where it cannot be had, and how it is had. */
export type Part = readonly [called: string, load: () => Promise<unknown>];
type State = "coming" | "here" | { trouble: string; outdated: boolean };

const RETRY_MS = 4000;

export class Parts<Name extends string> {
  private readonly states = new Map<Name, State>();
  /** Those that have a place of their own, where they are waited for. */
  private readonly placed = new Set<Name>();

  /**
   * @param changed Called when a part has come, could not be had, or may be asked for once more.
   * @param answers Whether this page's own code is still served: if so, and a part is not, then the
   *   page is older than the server.
   */
  constructor(
    private readonly parts: Readonly<Record<Name, Part>>,
    private readonly changed: () => void,
    private readonly answers: () => Promise<boolean> = ownCodeIsServed,
  ) {}

  /** Loads it, unless that was done; tells whether it is here. */
  async load(name: Name): Promise<boolean> {
    const state = this.states.get(name);
    if (state === "here") return true;
    this.states.set(name, "coming");
    try {
      await this.parts[name][1]();
      this.states.set(name, "here");
    } catch {
      this.states.set(name, await this.troubleOf(name));
    }
    this.changed();
    return this.states.get(name) === "here";
  }

  /** Its content, or what is said in its place. */
  show(name: Name, content: () => unknown): unknown {
    const state = this.states.get(name);
    this.placed.add(name);
    if (!state) void this.load(name);
    return state === "here" ? content() : this.instead(name);
  }

  /** For what is drawn within another part: the trouble with it, if any. */
  want(name: Name): unknown {
    if (!this.states.get(name)) void this.load(name);
    return this.trouble(name, () => void this.load(name));
  }

  /** What is said in the place of what is not here. */
  private instead(name: Name, again: () => void = () => void this.load(name)): unknown {
    const state = this.states.get(name);
    if (typeof state !== "object") return html`<div class="coming" role="status" aria-label="Loading"></div>`;
    return html`<div class="note" role="alert">
      ${state.trouble}
      ${state.outdated
        ? html`<button @click=${() => location.reload()}>Reload</button>`
        : html`<button @click=${again}>Try again</button>`}
    </div>`;
  }

  /** The trouble with what has no place of its own, until it is had or given up; how to ask again. */
  trouble(name: Name, again: () => void): unknown {
    return typeof this.states.get(name) === "object" ? this.instead(name, again) : nothing;
  }

  giveUp(name: Name): void {
    if (typeof this.states.get(name) === "object") this.states.delete(name);
    this.changed();
  }

  private async troubleOf(name: Name): Promise<State> {
    const [called] = this.parts[name];
    if (await this.answers()) {
      return { outdated: true, trouble: `The panel was updated after this page was opened: reload it for ${called}.` };
    }
    const again = this.placed.has(name);
    if (again) {
      setTimeout(() => {
        // Asked for again if its place is still shown.
        if (this.states.get(name) !== "here") this.states.delete(name);
        this.changed();
      }, RETRY_MS);
    }
    return { outdated: false, trouble: `TensorBoard does not answer: ${called} cannot be loaded.${again ? " Trying again." : ""}` };
  }
}

function ownCodeIsServed(): Promise<boolean> {
  return fetch(import.meta.url, { cache: "no-store" }).then(
    ({ ok }) => ok,
    () => false,
  );
}
