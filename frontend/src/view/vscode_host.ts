// VS Code's webview around us: its extension answers for the server, the disk and the clock. Messages are
// checked on both sides; messages.ts of the extension has their other end.
import { EmbeddedApi } from "../data/embedded_api";
import type { EmbeddedData } from "../data/embedded";
import { addLook, nothingLookedAt } from "../data/looked_at";
import { type Answer, RelayApi } from "../data/relay";
import { type Host, type Parameters, type SourceLine, isRooted } from "./host";

interface VsCode {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  getState(): { view?: Parameters } | undefined;
  setState(state: unknown): void;
}
declare const acquireVsCodeApi: () => VsCode;

type FromExtension =
  | ({ type: "got"; id: number } & (Answer | { gone: string }))
  | { type: "saved"; id: number; saved: boolean }
  | { type: "look"; expression: string; data: EmbeddedData; note: string }
  | { type: "show"; view: Parameters }
  | { type: "news" };

/** May be taken once only. */
export class VsCodeHost implements Host {
  private readonly vscode = acquireVsCodeApi();
  private readonly waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  private readonly looked = nothingLookedAt();
  private nextId = 0;
  private state: Parameters;
  private stateChanged: () => void = () => undefined;
  private news: () => unknown = () => undefined;
  private reading: Promise<unknown> = Promise.resolve();
  private next: Promise<unknown> | null = null;

  /** @param kept What the extension keeps with the tab, to find the log again after a reload; its view at first. */
  constructor(
    private readonly kind: string,
    private readonly kept: { view?: Parameters },
  ) {
    this.state = this.vscode.getState()?.view ?? kept.view ?? {};
    window.addEventListener("message", ({ data }: MessageEvent<FromExtension>) => void this.take(data));
    this.vscode.setState({ ...kept, view: this.state });
  }

  data() {
    this.vscode.postMessage({ type: "ready" });
    if (this.kind === "log") {
      const api = new RelayApi((path, signal) => this.get(path, signal), () => void this.readNews());
      return Promise.resolve({ api, loader: api, view: {} });
    }
    const api = new EmbeddedApi(this.looked);
    return Promise.resolve({ api, loader: api, view: {} });
  }

  warmUp(): void {}
  takeFocus(): void {}

  /** By VS Code's own class: `prefers-color-scheme` is the system's, not the editor's. */
  followTheme(apply: (dark: boolean) => void): void {
    const { classList } = document.body;
    const read = () =>
      apply(classList.contains("vscode-dark") || (classList.contains("vscode-high-contrast") && !classList.contains("vscode-high-contrast-light")));
    new MutationObserver(read).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    read();
  }

  readState(): Parameters {
    return this.state;
  }

  writeState(_names: readonly string[], parameters: Parameters): void {
    this.state = parameters;
    this.vscode.setState({ ...this.kept, view: parameters });
  }

  watchState(changed: () => void): void {
    this.stateChanged = changed;
  }

  watchNews(news: () => unknown): void {
    this.news = news;
  }

  /** A webview's address is nobody else's. */
  link(): string {
    return "";
  }

  /** This module starts itself in a saved page, too. */
  async bundle(): Promise<string> {
    return (await fetch(import.meta.url)).text();
  }

  async save(name: string, content: Blob): Promise<boolean> {
    const body = await content.arrayBuffer();
    return this.ask<boolean>((id) => this.vscode.postMessage({ type: "save", id, name, body }));
  }

  openSource({ file, line }: SourceLine): void {
    if (isRooted(file)) this.vscode.postMessage({ filename: file, line: line - 1 });
  }

  private get(path: string, signal?: AbortSignal): Promise<Answer> {
    return this.ask<Answer>((id) => {
      signal?.addEventListener("abort", () => this.vscode.postMessage({ type: "cancel", id }));
      this.vscode.postMessage({ type: "get", id, path });
    });
  }

  private ask<Result>(send: (id: number) => void): Promise<Result> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      send(id);
    });
  }

  private async take(message: FromExtension): Promise<void> {
    if (message.type === "got" || message.type === "saved") {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.type === "saved") waiting?.resolve(message.saved as never);
      else if ("gone" in message) waiting?.reject(new Error(message.gone));
      else waiting?.resolve(message as never);
    } else if (message.type === "look") {
      const view = addLook(this.looked, message.data, message.expression);
      this.tell(message.note);
      await this.show(view);
    } else if (message.type === "show") {
      await this.show(message.view);
    } else if (message.type === "news") {
      await this.readNews();
    }
  }

  /** What there is now. One at a time: overtaken by the next, none would come to its end where the server is slow. */
  private readNews(): Promise<unknown> {
    this.next ??= this.reading.then(() => {
      this.next = null;
      return (this.reading = Promise.resolve(this.news()));
    });
    return this.next;
  }

  /** What is looked at stays as it was: the words, the scale, the comparison. */
  private async show(place: Parameters): Promise<void> {
    await this.readNews();
    this.state = { ...this.state, ...place };
    this.stateChanged();
  }

  private tell(note: string): void {
    document.getElementById("mmx-note")?.remove();
    if (!note) return;
    const element = document.createElement("p");
    element.id = "mmx-note";
    element.setAttribute("role", "status");
    element.textContent = note;
    document.body.prepend(element);
  }
}
