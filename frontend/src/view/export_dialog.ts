// Export that works in a sandboxed frame: a picture to save or copy, a page that needs no server,
// a command and a link to copy.
import { type PropertyValues, css, html, nothing } from "lit";
import { embed, standalonePage } from "../data/page";
import type { Explanation } from "../data/explanation";
import { DARK, LIGHT, type Shown, figureOf, fileName, shownBy } from "../figure/figure";
import { measure, paint, svgOf } from "../figure/paint";
import { reason } from "../data/reason";
import { type Host, isRooted } from "./host";
import type { PanelModel } from "./model";
import { INITIAL_VIEW, type ViewState, toParameters } from "./state";
import { sampleName, stepText } from "./text";
import { savingStyle, saving } from "./saving";
import { TalkExport } from "../talk/talk_export";
import { unattributed } from "./base";
import { Dialog } from "./dialog";

/** Of the picture, per CSS pixel. */
const RATIO = 2;

export class ExportDialog extends Dialog {
  static override properties = {
    place: unattributed,
    picture: { state: true },
    vectors: { state: true },
    page: { state: true },
    said: { state: true },
    failed: { state: true },
  };
  /** What the panel shows, in a word: the dialog goes with it. */
  place = "";
  /** Object URL of the drawn figure. */
  picture = "";
  /** Object URL of the same as SVG. */
  vectors = "";
  /** Object URL of the standalone page; empty while it is made. */
  page = "";
  said = "";
  /** Why there is no page. */
  failed = "";

  protected override readonly heading = "Export";
  private model: PanelModel | null = null;
  private host: Host | null = null;
  /** What was in view when the picture was drawn. */
  private view: ViewState = INITIAL_VIEW;
  private drawn: Blob | null = null;
  /** Of what is saved, without what kind it is. */
  private file = "";

  static override styles = [
    Dialog.styles,
    savingStyle,
    css`
      dialog {
        --width: 620px;
      }
      img {
        display: block;
        max-width: 100%;
        max-height: 44vh;
        margin: 0 auto 10px;
        border: 1px solid var(--line);
        border-radius: 8px;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        margin-bottom: 14px;
      }
      .line {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) auto;
        gap: 8px;
        align-items: center;
        margin-bottom: 8px;
      }
      .line label,
      .name {
        min-width: 62px;
        color: var(--muted);
      }
      .line code {
        overflow-wrap: anywhere;
        font: 12px ui-monospace, monospace;
      }
      .line input {
        min-width: 0;
        height: 30px;
        padding: 0 8px;
        border: 1px solid var(--line);
        border-radius: 8px;
        background: var(--background);
        font: 12px ui-monospace, monospace;
      }
    `,
  ];

  /** `curtain`: where A ends and B begins, 0 to 1. */
  open(model: PanelModel, curtain: number, host: Host): void {
    const shown = shownBy(model, curtain);
    if (!shown) return;
    this.model = model;
    this.host = host;
    this.view = model.view;
    this.file = fileName(shown);
    this.failed = "";
    this.said = "";
    this.closed();
    const dark = getComputedStyle(this).colorScheme === "dark";
    const scene = figureOf(shown, dark ? DARK : LIGHT, measure);
    const wanted = this.latest.ask();
    void paint(scene, RATIO).convertToBlob({ type: "image/png" }).then((blob) => {
      if (!wanted()) return;
      this.drawn = blob;
      this.picture = URL.createObjectURL(blob);
    });
    void svgOf(scene).then((text) => {
      if (wanted()) this.vectors = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    });
    const take = (page: string, said: string) => {
      if (!wanted()) return;
      if (page) this.page = URL.createObjectURL(new Blob([page], { type: "text/html" }));
      this.failed = said;
    };
    void this.standalone(titleOf(shown)).then(
      (page) => take(page, ""),
      (error) => take("", `no standalone page: ${reason(error)}`),
    );
    this.show();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    // The log has dropped what was being exported: the reader cannot leave it while this is open.
    if (changed.get("place") !== undefined) this.close();
  }

  protected override content() {
    const { file } = this;
    return html`${this.picture ? html`<img src=${this.picture} alt="The picture that is exported" />` : nothing}
        <div class="actions">
          ${this.picture
            ? html`${this.saved("PNG", this.picture, `${file}.png`)}<button @click=${this.copyPicture}>Copy picture</button>`
            : nothing}
          ${this.vectors ? this.saved("SVG", this.vectors, `${file}.svg`) : nothing}
          ${this.page ? this.saved("Standalone page (HTML)", this.page, `${file}.html`) : html`<span class="muted">${this.failed || "making the page…"}</span>`}
          <span class="muted" role="status">${this.said}</span>
        </div>
        ${this.page || this.failed ? html`<mmx-talk-export .model=${this.model} .host=${this.host} .name=${file}></mmx-talk-export>` : nothing}
        ${this.origin()} ${this.line("Arrays", this.command(`--step ${this.view.step} --format npz`))}
        ${this.line("WebP", this.model ? this.command(TalkExport.command(this.model)) : "")}
        ${this.line("Link", this.host?.link(toParameters(this.view)) ?? "")}`;
  }

  private saved(what: string, address: string, name: string) {
    return saving(this.host, what, address, name, (said) => (this.said = said));
  }

  /** The user's line that logged this; a link where the host can open it. */
  private origin() {
    const place = this.model?.explanation?.loggedAt;
    if (!place) return nothing;
    const text = `${place.file}:${place.line}`;
    const open = isRooted(place.file) && this.host?.openSource;
    return html`<div class="line">
      <span class="muted name">Logged at</span>
      ${open ? html`<button @click=${() => open.call(this.host, place)}>open ${text}</button>` : html`<code>${text}</code>`}
    </div>`;
  }

  private line(name: string, text: string) {
    const id = name.toLowerCase();
    return text
      ? html`<div class="line">
          <label for=${id}>${name}</label>
          <input id=${id} readonly .value=${text} @focus=${(event: Event) => (event.target as HTMLInputElement).select()} />
          <button @click=${() => this.copy(text, id)}>Copy</button>
        </div>`
      : nothing;
  }

  private command(rest: string): string {
    if (!this.model) return "";
    const { run, tag } = this.view;
    return `mmx export LOGDIR --run ${quoted(run)} --sample ${quoted(sampleName(tag))} ${rest}`;
  }

  private async standalone(title: string): Promise<string> {
    const { view, otherPlace, explanation, other, api, index } = this.model!;
    const { run, tag, step } = view;
    const hashes = (shown: Explanation | undefined | null) => shown?.views.flatMap(({ image }) => image?.hash ?? []) ?? [];
    const places = [
      { run, tag, step: step!, images: hashes(explanation) },
      ...(otherPlace ? [{ ...otherPlace, images: hashes(other?.explanation) }] : []),
    ];
    return standalonePage(await embed(api, index!, places, toParameters({ ...view, talk: "off" })), await this.host!.bundle(), title);
  }

  private async copy(text: string, id: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No permission in this frame: the selection can still be copied.
      this.renderRoot.querySelector<HTMLInputElement>(`#${id}`)!.select();
      document.execCommand("copy");
    }
    this.said = "copied";
  }

  private async copyPicture(): Promise<void> {
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": this.drawn! })]);
      this.said = "copied";
    } catch {
      this.said = "Not allowed: use the picture's menu.";
    }
  }

  /** What is still being made is no longer wanted either. */
  protected override closed(): void {
    this.latest.ask();
    for (const url of [this.picture, this.vectors, this.page]) if (url) URL.revokeObjectURL(url);
    this.picture = "";
    this.vectors = "";
    this.page = "";
  }
}
customElements.define("mmx-export-dialog", ExportDialog);

function titleOf({ view, a, b }: Shown): string {
  const place = ({ explanation: { run, step } }: typeof a) => `${run} · step ${stepText(step)}`;
  return [sampleName(view.tag), place(a), ...(b ? ["against", place(b)] : [])].join(" · ");
}

function quoted(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
