// What VS Code calls. Nothing is started before it is asked for.
import * as vscode from "vscode";
import { Debugging } from "./debugging";
import { LogEditors } from "./log_editor";
import { CHECKED, checked, doctor, explainPicture } from "./mmx_command";
import { Servers } from "./relay";
import { SourceLines } from "./source_lines";
import { LogTree, type Node } from "./tree";
import { compareWith, exportSample, reveal } from "./tree_menus";

export function activate(context: vscode.ExtensionContext): void {
  const servers = new Servers();
  const editors = new LogEditors(context.extensionUri, servers);
  const tree = new LogTree(servers);
  const lines = new SourceLines(servers);
  const open = (logdir: string, view?: Record<string, string>) => {
    editors.open(logdir, view);
    void servers.of(logdir).start().then(() => lines.refresh(), () => undefined);
  };
  const telling = (act: () => Promise<void>) => act().catch((error: unknown) => void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error)));
  const commands: Record<string, (...given: never[]) => unknown> = {
    "mmx.open": async (uri: vscode.Uri) => open(await directoryOf(uri)),
    "mmx.openPath": async () => {
      const logdir = await vscode.window.showInputBox({
        prompt: "A log directory, also a remote one: s3://…, gs://…",
        value: vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "",
      });
      // One directory is one tab and one server, however it is written.
      if (logdir?.trim()) open(logdir.trim().replace(/(?<=[^/:])\/+$/, ""));
    },
    "mmx.openView": open,
    "mmx.doctor": () => telling(doctor),
    "mmx.refresh": () => tree.refresh(),
    "mmx.copyTag": (node: Node) => node.kind === "sample" && vscode.env.clipboard.writeText(node.sample.tag),
    "mmx.compareWith": (node: Node) => telling(() => compareWith(node, servers, open)),
    "mmx.reveal": (node: Node) => telling(() => reveal(node)),
    "mmx.export": (node: Node) => telling(() => exportSample(node)),
    "mmx.explainPicture": (picture: vscode.Uri) =>
      telling(async () => {
        const written = await explainPicture(picture, context.workspaceState);
        if (written) open(written.logdir, { run: written.run });
      }),
  };
  context.subscriptions.push(
    servers,
    tree,
    lines,
    tree.onDidGrow(() => lines.refresh()),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("mmx.codeLens") && lines.refresh()),
    new Debugging(context.extensionUri),
    ...Object.entries(commands).map(([name, act]) => vscode.commands.registerCommand(name, act)),
    vscode.workspace.registerTextDocumentContentProvider(CHECKED, checked),
    vscode.languages.registerCodeLensProvider({ language: "python", scheme: "file" }, lines),
    vscode.window.registerWebviewPanelSerializer("mmx.log", editors),
    vscode.window.registerCustomEditorProvider("mmx.events", editors, { webviewOptions: { retainContextWhenHidden: true } }),
  );
}

async function directoryOf(uri: vscode.Uri): Promise<string> {
  const { type } = await vscode.workspace.fs.stat(uri);
  return type & vscode.FileType.Directory ? uri.fsPath : vscode.Uri.joinPath(uri, "..").fsPath;
}
