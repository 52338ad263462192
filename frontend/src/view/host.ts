// TensorBoard around us: messages, the address, the theme. All of it may be missing (a notebook, a
// sandboxed frame, a page of our own), so every reach into the parent is guarded.

const PREFIX = "p.mmx.";

interface HostStorage {
  getString(key: string): string | null;
  setString(key: string, value: string, options?: { useLocationReplace?: boolean; defaultValue?: string }): void;
}

/** The hash's own parameters: on a cold load the host's message does not carry them yet. */
export function parseHash(hash: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pair of hash.replace(/^#/, "").split("&")) {
    const at = pair.indexOf("=");
    if (at < 0) continue;
    const key = decode(pair.slice(0, at));
    if (key.startsWith(PREFIX)) found[key.slice(PREFIX.length)] = decode(pair.slice(at + 1));
  }
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function readParameters(): Record<string, string> {
  return guarded(() => parseHash(parent.location.hash), {});
}

/** Replaces the history entry; an absent name takes its parameter out of the address. */
export function writeParameters(names: readonly string[], parameters: Record<string, string>): void {
  guarded(() => {
    const storage = (parent as unknown as { tensorboard?: { tf_storage?: HostStorage } }).tensorboard?.tf_storage;
    if (!storage) return;
    for (const name of names) {
      const value = parameters[name] ?? "";
      if ((storage.getString(PREFIX + name) ?? "") === value) continue;
      storage.setString(PREFIX + name, value, { useLocationReplace: true, defaultValue: "" });
    }
  }, undefined);
}

/** A link to this view; empty where the page has no address to share. */
export function permalink(parameters: Record<string, string>): string {
  return guarded(() => {
    const { origin, pathname, search, protocol } = parent.location;
    if (!protocol.startsWith("http")) return "";
    const pairs = Object.entries(parameters).map(([name, value]) => `${PREFIX}${name}=${encodeURIComponent(value)}`);
    const plugin = parent === window ? "" : "mmx&";
    return `${origin}${pathname}${search}#${plugin}${pairs.join("&")}`;
  }, "");
}

export function watchAddress(changed: () => void): void {
  guarded(() => parent.addEventListener("hashchange", changed), undefined);
}

/** Puts the class `dark` on our root, now and whenever the host changes its theme. */
export function followTheme(apply: (dark: boolean) => void): void {
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const body = guarded(() => (parent === window ? null : parent.document.body), null);
  if (!body) {
    apply(preferred.matches);
    preferred.addEventListener("change", () => apply(preferred.matches));
    return;
  }
  const read = () => apply(body.classList.contains("dark-mode"));
  new MutationObserver(read).observe(body, { attributes: true, attributeFilter: ["class"] });
  read();
}

/** Inside VS Code, which opens links to files at a line; nowhere else would they lead anywhere. */
export function inVsCode(): boolean {
  return [...(location.ancestorOrigins ?? [])].some((origin) => origin.startsWith("vscode-webview:"));
}

/** A link that opens a file at a line; empty for all but a path from the root, since a log may come from
 * anybody, and name another machine or a command. */
export function fileLink({ file, line }: { file: string; line: number }): string {
  return /^\/(?![\\/])\P{C}*$/u.test(file) ? `vscode://file${file.split("/").map(encodeURIComponent).join("/")}:${line}` : "";
}

/** A tab that is not shown keeps its frame, at no height. */
export function isShown(): boolean {
  return !document.hidden && window.innerHeight > 0;
}

/** At once, where it is shown. */
export function whenShown(): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!isShown()) return;
      window.removeEventListener("resize", check);
      document.removeEventListener("visibilitychange", check);
      resolve();
    };
    window.addEventListener("resize", check);
    document.addEventListener("visibilitychange", check);
    check();
  });
}

/** Shortcuts work at once, unless the reader is busy elsewhere in TensorBoard. */
export function takeFocus(): void {
  guarded(() => {
    if (parent.document.activeElement === parent.document.body) window.focus();
  }, undefined);
}

/** TensorBoard's message channel: JSON both ways, every message answered. */
export function listenToHost(listeners: Record<string, () => unknown>): void {
  if (parent === window) return;
  const channel = new MessageChannel();
  channel.port1.onmessage = (event: MessageEvent<string>) => {
    const message = JSON.parse(event.data) as { type: string; id: number; isReply: boolean };
    if (message.isReply) return;
    listeners[message.type]?.();
    const { type, id } = message;
    channel.port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
  };
  guarded(() => parent.postMessage("experimental.bootstrap", "*", [channel.port2]), undefined);
}

function guarded<Result>(reach: () => Result, otherwise: Result): Result {
  try {
    return reach();
  } catch {
    return otherwise;
  }
}
