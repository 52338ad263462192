// A talk to take along: as a page of its own, as video, or by the command that makes a moving picture.
import { css, html, nothing } from "lit";
import { Latest } from "../data/latest";
import { embed, standalonePage } from "../data/page";
import { reason } from "../data/reason";
import type { Host } from "../view/host";
import type { PanelModel } from "../view/model";
import { PanelElement, controls, options, unattributed } from "../view/base";
import { saving, savingStyle } from "../view/saving";
import { toParameters } from "../view/state";
import { record, videoKind } from "./record";
import { type Talk, talkOf } from "./moments";

export class TalkExport extends PanelElement {
  static override properties = {
    model: unattributed,
    host: unattributed,
    name: { type: String },
    mode: { state: true },
    made: { state: true },
    busy: { state: true },
    said: { state: true },
  };
  declare model: PanelModel;
  declare host: Host;
  /** Of the files, without what kind they are. */
  declare name: string;
  /** Null until it is chosen: as in view. */
  mode: Talk["mode"] | null = null;
  /** Object URL and name of what was made last. */
  made: { address: string; file: string; what: string } | null = null;
  busy = false;
  said = "";

  private readonly kind = videoKind();
  private readonly work = new Latest();

  static override styles = [
    controls,
    savingStyle,
    css`
      :host {
        display: block;
        margin: 6px 0 12px;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        margin-top: 8px;
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.drop();
  }

  /** How it is written on the command line. */
  static command({ view, steps }: PanelModel): string {
    const token = view.token === null ? "" : ` --token ${view.token}`;
    return steps.length > 1 ? `--step all --format webp${token}` : `--step ${view.step} --format webp`;
  }

  override render() {
    const { steps } = this.model;
    const names = { answer: "the answer, word by word", steps: `this word over ${this.model.filmSteps.length} steps` };
    const modes = steps.length > 1 ? (["answer", "steps"] as const) : (["answer"] as const);
    return html`<h2>Talk</h2>
      <div class="actions">
        <select aria-label="What the talk goes through" ?disabled=${this.busy} @change=${this.choose}>
          ${options(modes, this.chosen, (mode) => names[mode])}
        </select>
        <button ?disabled=${this.busy} @click=${this.page}>Make page</button>
        ${this.kind ? html`<button ?disabled=${this.busy} @click=${this.video}>Record video</button>` : nothing}
        ${this.made ? saving(this.host, this.made.what, this.made.address, this.made.file, (said) => (this.said = said)) : nothing}
        <span class="muted" role="status">${this.said}</span>
      </div>`;
  }

  private get chosen(): Talk["mode"] {
    const { talk } = this.model.view;
    return this.mode ?? (talk === "off" ? "answer" : talk);
  }

  private choose(event: Event): void {
    this.mode = (event.target as HTMLSelectElement).value as Talk["mode"];
    this.drop();
  }

  private page(): void {
    const { chosen } = this;
    void this.make(`${this.name}_talk.html`, "Talk page (HTML)", "making the page…", async () => {
      const { view, filmSteps, api, index, explanation } = this.model;
      const { run, tag } = view;
      const steps = chosen === "steps" ? filmSteps : [view.step!];
      const images = explanation!.views.flatMap(({ image }) => image?.hash ?? []);
      const places = steps.map((step) => ({ run, tag, step, images }));
      const parameters = toParameters({ ...view, compare: "single", range: view.range === "fixed" ? "fixed" : "sample", film: false, samples: false, talk: chosen });
      return new Blob([standalonePage(await embed(api, index!, places, parameters), await this.host.bundle(), this.name)], { type: "text/html" });
    });
  }

  private video(): void {
    const { chosen, model, kind } = this;
    const what = kind!.startsWith("video/mp4") ? "mp4" : "webm";
    void this.make(`${this.name}_talk.${what}`, `Video (${what})`, "reading the steps…", async (wanted) => {
      const talk = talkOf(model, chosen, chosen === "steps" ? await model.wholeFilm() : []);
      if (!talk?.moments.length) throw new Error("there is nothing to show");
      return record(talk, kind!, (moment) => (this.said = `recording ${moment + 1} of ${talk.moments.length}…`), wanted);
    });
  }

  private async make(file: string, what: string, said: string, work: (wanted: () => boolean) => Promise<Blob | null>): Promise<void> {
    this.drop();
    const wanted = this.work.ask();
    this.busy = true;
    this.said = said;
    try {
      const content = await work(wanted);
      if (!content || !wanted()) return;
      this.made = { address: URL.createObjectURL(content), file, what };
      this.said = "";
    } catch (error) {
      if (wanted()) this.said = `nothing was made: ${reason(error)}`;
    } finally {
      if (wanted()) this.busy = false;
    }
  }

  /** What was made is of something else; what is being made is no longer wanted. */
  private drop(): void {
    this.work.ask();
    if (this.made) URL.revokeObjectURL(this.made.address);
    this.made = null;
    this.busy = false;
    this.said = "";
  }
}
customElements.define("mmx-talk-export", TalkExport);
