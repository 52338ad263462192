// What a panel's webview may ask for; anything else is dropped (vscode_host.ts is the other end).

export type FromPanel =
  | { type: "ready" }
  | { type: "get"; id: number; path: string }
  | { type: "cancel"; id: number }
  | { type: "save"; id: number; name: string; body: Uint8Array }
  | { type: "open"; file: string; line: number };

/** The plugin's own routes, and nothing that leads out of them. */
const ROUTE = /^(?:index|records|blobs|header|image)\?[\w%&=.+*~!'()-]*$/;
const LONGEST_PATH = 8000;

export function readMessage(message: unknown): FromPanel | null {
  if (typeof message !== "object" || message === null) return null;
  const { type, id, path, name, body, filename, line } = message as Record<string, unknown>;
  if (type === "ready") return { type };
  // As VS Code's TensorBoard tab is told of a line: from 0, without a type.
  if (typeof filename === "string" && isRooted(filename) && isCount(line)) return { type: "open", file: filename, line };
  if (!isCount(id)) return null;
  if (type === "cancel") return { type, id };
  if (type === "get" && typeof path === "string" && path.length < LONGEST_PATH && ROUTE.test(path)) return { type, id, path };
  if (type === "save" && typeof name === "string" && isBytes(body)) return { type, id, name: plainName(name), body: new Uint8Array(body) };
  return null;
}

/** A log may name anything: only a path from the root is a file to open. */
export function isRooted(file: string): boolean {
  return /^\/(?![\\/])\P{C}*$/u.test(file);
}

function plainName(name: string): string {
  return name.replace(/[^\w.-]+/g, "_").replace(/^\.+/, "") || "explanation";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBytes(value: unknown): value is ArrayBuffer {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}
