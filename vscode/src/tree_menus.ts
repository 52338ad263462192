// What the tree's menus do with a log directory, a run or a sample.
import { join } from "node:path";
import * as vscode from "vscode";
import { readRuns } from "./logs";
import { succeeded } from "./mmx_command";
import type { Servers } from "./relay";
import type { Node } from "./tree";

type Open = (logdir: string, view: Record<string, string>) => void;

/** Beside another run, at the sample of the same tag. */
export async function compareWith(node: Node, servers: Servers, open: Open): Promise<void> {
  if (node.kind !== "run" && node.kind !== "sample") return;
  const sample = node.kind === "sample" ? node.sample : node.samples[0];
  if (!sample) return;
  const { run, tag, steps } = sample;
  const runs = await readRuns(servers.of(node.logdir));
  const others = [...runs].filter(([name, samples]) => name !== run && samples.some((other) => other.tag === tag));
  if (!others.length) {
    void vscode.window.showInformationMessage(`No other run in ${node.logdir} has ${tag}.`);
    return;
  }
  const other = await vscode.window.showQuickPick(others.map(([name]) => name), { title: `Compare ${run} with`, ignoreFocusOut: true });
  if (other) open(node.logdir, { run, tag, step: String(steps.at(-1)), compare: "side", brun: other });
}

export async function reveal(node: Node): Promise<void> {
  if (node.kind === "trouble") return;
  const logdir = vscode.Uri.file(node.logdir);
  const run = node.kind === "sample" ? node.sample.run : node.kind === "run" ? node.run : ".";
  const folder = vscode.Uri.joinPath(logdir, run);
  // A run's earlier start is named after its time, and is no directory.
  const found = await vscode.workspace.fs.stat(folder).then(() => folder, () => logdir);
  await vscode.commands.executeCommand("revealInExplorer", found);
}

/** The last step, by `mmx export`, as the chosen name ends. */
export async function exportSample(node: Node): Promise<void> {
  if (node.kind !== "sample") return;
  const { run, tag } = node.sample;
  const sample = tag.replace(/^mmx\//, "");
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(node.logdir, `${sample.replace(/[^\w.-]+/g, "_")}.html`)),
    filters: { Page: ["html"], Picture: ["png", "webp", "gif"], Arrays: ["npz", "safetensors"] },
  });
  if (!target) return;
  const format = target.fsPath.split(".").at(-1) ?? "";
  const what = ["--run", run, "--sample", sample, "--format", format, "--out", target.fsPath, "--overwrite"];
  // The dialog has asked whether a file is to be replaced.
  const { code } = await succeeded(`Saving ${sample}`, ["export", node.logdir, ...what]);
  if (code === 0) void vscode.window.showInformationMessage(`Saved ${target.fsPath}.`);
}
