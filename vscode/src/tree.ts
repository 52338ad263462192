// Log directories of the workspace, their runs, their samples: the least probable word first.
import * as vscode from "vscode";
import { type Sample, readRuns, servedWith } from "./logs";
import type { Servers } from "./relay";

const EVENT_FILES = "**/*tfevents*";
const IGNORED = "**/{node_modules,.git,.venv,site-packages}/**";
const MOST_FILES = 2000;
const LOOK_AGAIN_MS = 3000;
const FOLLOWED_MS = 60_000;

export type Node =
  | { kind: "logdir"; logdir: string }
  | { kind: "run"; logdir: string; run: string; samples: Sample[] }
  | { kind: "sample"; logdir: string; sample: Sample }
  | { kind: "trouble"; text: string };

export class LogTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(EVENT_FILES);
  private readonly view = vscode.window.createTreeView("mmx.logs", { treeDataProvider: this });
  /** The last step of each sample when it was listed, by where it is. */
  private readonly seen = new Map<string, number>();
  /** Of what the reader has opened: a view that was hidden comes back as it was. */
  private readonly expanded = new Set<string>();
  private readonly listed = new Set<string>();
  private waiting: NodeJS.Timeout | null = null;
  private until = 0;
  private logdirs: string[] = [];
  private readonly served = new vscode.EventEmitter<void>();
  /** The logs may hold more than before. */
  readonly onDidGrow = this.served.event;
  private readonly parts: vscode.Disposable[];

  constructor(private readonly servers: Servers) {
    this.parts = [
      this.watcher.onDidCreate((file) => {
        this.grown();
        if (!this.isListed(file)) this.refresh();
      }),
      this.watcher.onDidChange(() => this.grown()),
      this.watcher.onDidDelete(() => this.refresh()),
      this.view.onDidChangeVisibility(() => this.refresh()),
      this.view.onDidExpandElement(({ element }) => this.expanded.add(idOf(element))),
      this.view.onDidCollapseElement(({ element }) => this.expanded.delete(idOf(element))),
      servers.onDidChange(() => this.refresh()),
      this.watcher,
      this.view,
      this.changed,
      this.served,
    ];
  }

  dispose(): void {
    if (this.waiting) clearTimeout(this.waiting);
    this.parts.forEach((part) => part.dispose());
  }

  refresh(): void {
    if (this.view.visible) this.view.badge = undefined;
    this.changed.fire();
  }

  /** Looked at for a while after a file has changed: TensorBoard reads it when it comes to it. */
  private grown(): void {
    this.until = Date.now() + FOLLOWED_MS;
    this.waiting ??= setTimeout(() => void this.look(), LOOK_AGAIN_MS);
  }

  private isListed(file: vscode.Uri): boolean {
    return this.logdirs.some((logdir) => file.fsPath.startsWith(`${logdir}/`));
  }

  private async look(): Promise<void> {
    await this.compare();
    this.waiting = Date.now() < this.until ? setTimeout(() => void this.look(), LOOK_AGAIN_MS) : null;
  }

  /** Tells of what came since, in the logs that are served already. What stays as it is is left alone: a
   * menu may be open on it. */
  private async compare(): Promise<void> {
    const servers = this.servers.running.filter(({ logdir, runs }) => runs && this.listed.has(logdir));
    const read = servers.map(async (server) => {
      const samples = [...(await readRuns(server).catch(() => new Map<string, Sample[]>())).values()].flat();
      return samples.map(({ run, tag, steps }) => [placeOf(server.logdir, run, tag), steps.at(-1) ?? -1] as const);
    });
    const last = (await Promise.all(read)).flat();
    const fresh = last.filter(([place, step]) => step > (this.seen.get(place) ?? -1)).length;
    if (!fresh) return;
    this.served.fire();
    if (this.view.visible) return this.refresh();
    this.view.badge = { value: fresh, tooltip: `New since you looked: ${fresh} sample${fresh === 1 ? "" : "s"}` };
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!node) {
      const found = (this.logdirs = await logdirs());
      // What is said of an empty workspace is not to be seen while it is searched.
      void vscode.commands.executeCommand("setContext", "mmx.noLogs", found.length === 0);
      return found.map((logdir) => ({ kind: "logdir", logdir }));
    }
    if (node.kind === "run") return node.samples.map((sample) => ({ kind: "sample", logdir: node.logdir, sample }));
    if (node.kind !== "logdir") return [];
    try {
      const runs = await readRuns(this.servers.of(node.logdir));
      const first = !this.listed.has(node.logdir);
      // What was written before it is served may still be unread.
      if (first) this.grown();
      // An answer that comes when the view is hidden again is not seen, but for the first.
      if (this.view.visible || first)
        for (const { run, tag, steps } of [...runs.values()].flat()) this.seen.set(placeOf(node.logdir, run, tag), steps.at(-1) ?? -1);
      this.listed.add(node.logdir);
      return [...runs].map(([run, samples]) => ({ kind: "run", logdir: node.logdir, run, samples }));
    } catch (error) {
      return [{ kind: "trouble", text: error instanceof Error ? error.message : String(error) }];
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
    const state = this.expanded.has(idOf(node)) ? Expanded : Collapsed;
    const open = (view?: Record<string, string>) => ({ command: "mmx.openView", title: "Open", arguments: [(node as { logdir: string }).logdir, view] });
    if (node.kind === "trouble") return new vscode.TreeItem(node.text, None);
    if (node.kind === "logdir") {
      const item = new vscode.TreeItem(vscode.workspace.asRelativePath(node.logdir), state);
      return Object.assign(item, { id: idOf(node), contextValue: "logdir", iconPath: new vscode.ThemeIcon("folder"), tooltip: node.logdir });
    }
    if (node.kind === "run") {
      const item = new vscode.TreeItem(node.run, state);
      return Object.assign(item, { id: idOf(node), contextValue: "run", description: `${node.samples.length} sample${node.samples.length === 1 ? "" : "s"}`, command: open({ run: node.run }) });
    }
    const { run, tag, steps, probability } = node.sample;
    const item = new vscode.TreeItem(tag.replace(/^mmx\//, ""), None);
    const least = probability === null ? "" : `least probable word ${(100 * probability).toPrecision(2)} %, `;
    return Object.assign(item, {
      id: idOf(node),
      contextValue: "sample",
      description: `${least}${steps.length} step${steps.length === 1 ? "" : "s"}`,
      command: open({ run, tag, step: String(steps.at(-1)) }),
    });
  }
}

function idOf(node: Node): string {
  if (node.kind === "trouble") return node.text;
  if (node.kind === "logdir") return node.logdir;
  return node.kind === "run" ? placeOf(node.logdir, node.run) : placeOf(node.logdir, node.sample.run, node.sample.tag);
}

function placeOf(...names: string[]): string {
  return names.join("\0");
}

/** The directories that hold event files, none of which is in another: a directory is served whole. */
async function logdirs(): Promise<string[]> {
  const files = await vscode.workspace.findFiles(EVENT_FILES, IGNORED, MOST_FILES);
  const tops = new Set(files.map((file) => servedWith(file).logdir));
  return [...tops].filter((one) => ![...tops].some((other) => one !== other && one.startsWith(`${other}/`))).sort();
}
