// Log directories of the workspace, their runs, their samples: the least probable word first.
import * as vscode from "vscode";
import { type Sample, readRuns } from "./logs";
import type { Servers } from "./relay";

const EVENT_FILES = "**/*tfevents*";
const IGNORED = "**/{node_modules,.git,.venv,site-packages}/**";
const MOST_FILES = 2000;

export type Node =
  | { kind: "logdir"; logdir: string }
  | { kind: "run"; logdir: string; run: string; samples: Sample[] }
  | { kind: "sample"; logdir: string; sample: Sample }
  | { kind: "trouble"; text: string };

export class LogTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(EVENT_FILES, false, true, false);

  constructor(private readonly servers: Servers) {
    this.watcher.onDidCreate(() => this.refresh());
    this.watcher.onDidDelete(() => this.refresh());
  }

  dispose(): void {
    this.watcher.dispose();
    this.changed.dispose();
  }

  refresh(): void {
    this.changed.fire();
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!node) return (await logdirs()).map((logdir) => ({ kind: "logdir", logdir }));
    if (node.kind === "run") return node.samples.map((sample) => ({ kind: "sample", logdir: node.logdir, sample }));
    if (node.kind !== "logdir") return [];
    try {
      const runs = await readRuns(this.servers.of(node.logdir));
      return [...runs].map(([run, samples]) => ({ kind: "run", logdir: node.logdir, run, samples }));
    } catch (error) {
      return [{ kind: "trouble", text: error instanceof Error ? error.message : String(error) }];
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    const { Collapsed, None } = vscode.TreeItemCollapsibleState;
    const open = (view?: Record<string, string>) => ({ command: "mmx.openView", title: "Open", arguments: [(node as { logdir: string }).logdir, view] });
    if (node.kind === "trouble") return new vscode.TreeItem(node.text, None);
    if (node.kind === "logdir") {
      const item = new vscode.TreeItem(vscode.workspace.asRelativePath(node.logdir), Collapsed);
      return Object.assign(item, { contextValue: "logdir", iconPath: new vscode.ThemeIcon("folder"), tooltip: node.logdir });
    }
    if (node.kind === "run") {
      const item = new vscode.TreeItem(node.run, Collapsed);
      return Object.assign(item, { contextValue: "run", description: `${node.samples.length} samples`, command: open({ run: node.run }) });
    }
    const { run, tag, steps, probability } = node.sample;
    const item = new vscode.TreeItem(tag.replace(/^mmx\//, ""), None);
    const least = probability === null ? "" : `least probable word ${(100 * probability).toPrecision(2)} %, `;
    return Object.assign(item, {
      contextValue: "sample",
      description: `${least}${steps.length} steps`,
      command: open({ run, tag, step: String(steps.at(-1)) }),
    });
  }
}

/** The directories that hold event files, none of which is in another: a directory is served whole. */
async function logdirs(): Promise<string[]> {
  const files = await vscode.workspace.findFiles(EVENT_FILES, IGNORED, MOST_FILES);
  const tops = new Set<string>();
  for (const file of files) {
    const root = vscode.workspace.getWorkspaceFolder(file)?.uri.fsPath ?? "";
    // …/LOGDIR/RUN/START/events…: what is served is above the runs, but never above the workspace.
    const parts = vscode.Uri.joinPath(file, "..").fsPath.slice(root.length).split("/").filter(Boolean);
    const start = parts.at(-1)?.startsWith("mmx-") ? parts.slice(0, -1) : parts;
    tops.add([root, ...(start.length > 1 ? start.slice(0, -1) : start)].join("/"));
  }
  return [...tops].filter((one) => ![...tops].some((other) => one !== other && one.startsWith(`${other}/`))).sort();
}
