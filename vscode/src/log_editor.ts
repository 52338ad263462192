// A log directory in an editor tab: opened from an event file, a folder, the tree, or a typed path.
import * as path from "node:path";
import * as vscode from "vscode";
import { servedWith } from "./logs";
import { type Kept, fillPanel, panelOptions } from "./panel";
import type { Servers } from "./relay";

/** As often as TensorBoard itself looks. */
const LOOK_AGAIN_MS = 3000;

export class LogEditors implements vscode.CustomReadonlyEditorProvider, vscode.WebviewPanelSerializer {
  private readonly opened = new Map<string, vscode.WebviewPanel>();

  constructor(
    private readonly extension: vscode.Uri,
    private readonly servers: Servers,
  ) {}

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    const { logdir, run } = servedWith(uri);
    this.fill(panel, logdir, { run });
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: Kept | undefined): Promise<void> {
    if (typeof state?.logdir === "string") this.fill(panel, state.logdir);
    else panel.dispose();
    return Promise.resolve();
  }

  /** A tab per directory; `view` are the panel's parameters. */
  open(logdir: string, view?: Record<string, string>): void {
    const before = this.opened.get(logdir);
    const name = path.basename(logdir) || logdir;
    const panel = before ?? vscode.window.createWebviewPanel("mmx.log", name, vscode.ViewColumn.Active, panelOptions(this.extension));
    if (before) before.reveal();
    else this.fill(panel, logdir, view);
    if (before && view) void panel.webview.postMessage({ type: "show", view });
  }

  private fill(panel: vscode.WebviewPanel, logdir: string, view?: Record<string, string>): void {
    this.opened.set(logdir, panel);
    const { webview } = panel;
    const server = this.servers.of(logdir);
    const running = new Map<number, AbortController>();
    const get = async (id: number, path: string) => {
      const controller = new AbortController();
      running.set(id, controller);
      try {
        const answer = await vscode.window.withProgress({ location: { viewId: "mmx.logs" } }, () => server.get(path, controller.signal));
        await webview.postMessage({ type: "got", id, ...answer });
      } catch (error) {
        await webview.postMessage({ type: "got", id, gone: error instanceof Error ? error.message : String(error) });
      } finally {
        running.delete(id);
      }
    };
    const listening = fillPanel(webview, this.extension, "log", { logdir, view }, (message) => {
      if (message.type === "get") void get(message.id, message.path);
      else if (message.type === "cancel") running.get(message.id)?.abort();
    });
    const news = () => void webview.postMessage({ type: "news" });
    const timer = setInterval(() => panel.visible && server.runs && news(), LOOK_AGAIN_MS);
    const changes = this.servers.onDidChange(news);
    panel.onDidDispose(() => {
      clearInterval(timer);
      changes.dispose();
      listening.dispose();
      for (const controller of running.values()) controller.abort();
      if (this.opened.get(logdir) === panel) this.opened.delete(logdir);
    });
  }
}
