// TensorBoard around us: messages, the address, the theme. All of it may be missing (TensorBoard in a
// frame of another origin), so every reach into the parent is guarded.
import { HttpApi } from "../data/api";
import { fetchChecked } from "../data/fetch_checked";
import { WorkerLoader } from "../data/step_loader";
import { type Host, type Parameters, type SourceLine, followBrowser, guarded, isRooted } from "./host";

const PREFIX = "p.mmx.";

interface HostStorage {
  getString(key: string): string | null;
  setString(key: string, value: string, options?: { useLocationReplace?: boolean; defaultValue?: string }): void;
}

/** The hash's own parameters: on a cold load the host's message does not carry them yet. */
export function parseHash(hash: string): Parameters {
  const found: Parameters = {};
  for (const pair of hash.replace(/^#/, "").split("&")) {
    const at = pair.indexOf("=");
    if (at < 0) continue;
    const key = decode(pair.slice(0, at));
    if (key.startsWith(PREFIX)) found[key.slice(PREFIX.length)] = decode(pair.slice(at + 1));
  }
  return found;
}

function decode(text: string): string {
  return guarded(() => decodeURIComponent(text), text);
}

function toHash(parameters: Parameters): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${PREFIX}${name}=${encodeURIComponent(value)}`)
    .join("&");
}

/** The address of a page that nothing is around (`mmx show`), so that it can be reloaded. */
function writeHash(names: readonly string[], parameters: Parameters, isNew: boolean): void {
  const kept = parseHash(location.hash);
  for (const name of names) {
    if (parameters[name]) kept[name] = parameters[name];
    else delete kept[name];
  }
  const hash = `#${toHash(kept)}`;
  if (hash === location.hash) return;
  // Whole: the page has a base of its own.
  history[isNew ? "pushState" : "replaceState"](null, "", location.pathname + location.search + hash);
}

export class TensorBoardHost implements Host {
  private readonly loader = new WorkerLoader(
    document.baseURI,
    () => new Worker(new URL(/* @vite-ignore */ "./static/worker.js", import.meta.url), { type: "module" }),
  );
  /** In the browser's history, when a view was last written there. */
  private entries = 0;
  /** Inside VS Code's TensorBoard tab, which listens; nowhere else would it lead anywhere. */
  readonly openSource = editorOrigin() ? (place: SourceLine) => postSource(place) : undefined;

  data() {
    return Promise.resolve({ api: new HttpApi(document.baseURI), loader: this.loader, view: {} });
  }

  warmUp(): void {
    this.loader.warmUp();
  }

  /** By TensorBoard's own class. */
  followTheme(apply: (dark: boolean) => void): void {
    const body = guarded(() => (parent === window ? null : parent.document.body), null);
    if (!body) return followBrowser(apply);
    const read = () => apply(body.classList.contains("dark-mode"));
    new MutationObserver(read).observe(body, { attributes: true, attributeFilter: ["class"] });
    read();
  }

  readState(): Parameters {
    return guarded(() => parseHash(parent.location.hash), {});
  }

  /** TensorBoard writes one name at a time: the first of a new view makes an entry of the browser's history, and
   * the others go into it. */
  writeState(names: readonly string[], parameters: Parameters, isNew: boolean): void {
    let replaced = !isNew;
    guarded(() => {
      if (parent === window) return writeHash(names, parameters, isNew);
      const storage = (parent as unknown as { tensorboard?: { tf_storage?: HostStorage } }).tensorboard?.tf_storage;
      if (!storage) return;
      for (const name of names) {
        const value = parameters[name] ?? "";
        if ((storage.getString(PREFIX + name) ?? "") === value) continue;
        storage.setString(PREFIX + name, value, { useLocationReplace: replaced, defaultValue: "" });
        replaced = true;
      }
    }, undefined);
    if (isNew) this.entries = entryCount();
  }

  goBack(): boolean {
    // Others have gone on from there, to another tab of TensorBoard's, say.
    if (!this.entries || this.entries !== entryCount()) return false;
    return guarded(() => (parent.history.back(), true), false);
  }

  watchState(changed: () => void): void {
    guarded(() => parent.addEventListener("hashchange", changed), undefined);
  }

  link(parameters: Parameters): string {
    return guarded(() => {
      const { origin, pathname, search, protocol } = parent.location;
      if (!protocol.startsWith("http")) return "";
      const plugin = parent === window ? "" : "mmx&";
      return `${origin}${pathname}${search}#${plugin}${toHash(parameters)}`;
    }, "");
  }

  /** Shortcuts work at once, unless the reader is busy elsewhere in TensorBoard. */
  takeFocus(): void {
    guarded(() => {
      if (parent.document.activeElement === parent.document.body) window.focus();
    }, undefined);
  }

  /** TensorBoard's message channel: JSON both ways, every message answered. */
  watchNews(news: () => unknown): void {
    if (parent === window) return;
    const channel = new MessageChannel();
    channel.port1.onmessage = (event: MessageEvent<string>) => {
      const { type, id, isReply } = JSON.parse(event.data) as { type: string; id: number; isReply: boolean };
      if (isReply) return;
      if (type === "experimental.DataReloaded" || type === "experimental.RunsChanged") news();
      channel.port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
    };
    guarded(() => parent.postMessage("experimental.bootstrap", "*", [channel.port2]), undefined);
  }

  async bundle(): Promise<string> {
    return (await fetchChecked(new URL(/* @vite-ignore */ "./static/standalone.js", import.meta.url).href)).text();
  }
}

function entryCount(): number {
  return guarded(() => parent.history.length, 0);
}

function editorOrigin(): string | undefined {
  return [...(location.ancestorOrigins ?? [])].find((origin) => origin.startsWith("vscode-webview:"));
}

/** To the page around TensorBoard's, in the form that VS Code's TensorBoard tab answers: lines from 0. */
function postSource({ file, line }: SourceLine): void {
  if (isRooted(file)) parent.parent.postMessage({ filename: file, line: line - 1 }, editorOrigin()!);
}
