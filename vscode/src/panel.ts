// The webview that shows the panel: its page, and what it may ask for besides data.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { type FromPanel, readMessage } from "./messages";

/** What a tab is for: what a reload of the window finds it again by. */
export type Kept = { logdir?: string; view?: Record<string, string> | undefined };

export function panelOptions(extension: vscode.Uri): vscode.WebviewOptions & vscode.WebviewPanelOptions {
  const media = vscode.Uri.joinPath(extension, "media");
  return { enableScripts: true, localResourceRoots: [media], enableCommandUris: false, retainContextWhenHidden: true };
}

/** Fills the webview and answers it; `answer` has what is not the same for all of them. */
export function fillPanel(
  webview: vscode.Webview,
  extension: vscode.Uri,
  kind: "log" | "look",
  kept: Kept,
  answer: (message: FromPanel) => unknown,
): vscode.Disposable {
  webview.options = panelOptions(extension);
  const listening = webview.onDidReceiveMessage((data: unknown) => {
    const message = readMessage(data);
    if (message?.type === "open") void openLine(message.file, message.line);
    else if (message?.type === "save") void save(webview, message);
    else if (message) answer(message);
  });
  webview.html = page(webview, vscode.Uri.joinPath(extension, "media", "panel.js"), kind, kept);
  return listening;
}

function page(webview: vscode.Webview, script: vscode.Uri, kind: string, kept: Kept): string {
  const nonce = randomBytes(16).toString("base64");
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'unsafe-inline'",
    "img-src blob: data:",
    // To read what it has drawn itself, and its own module to put into a saved page.
    `connect-src blob: data: ${webview.cspSource}`,
  ].join("; ");
  const told = JSON.stringify({ kind, kept }).replaceAll("<", "\\u003c");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Explanations</title><style>body { padding: 0 } #mmx-note { margin: 0; padding: 6px 16px }</style></head>
<body><script type="application/json" id="mmx-host">${told}</script>
<script type="module" nonce="${nonce}" src="${webview.asWebviewUri(script)}"></script></body></html>`;
}

/** As text: nothing that a log names is run. */
async function openLine(file: string, line: number): Promise<void> {
  const uri = vscode.Uri.file(file);
  const position = new vscode.Position(line, 0);
  try {
    const document = await vscode.workspace.openTextDocument(uri);
    const beside = vscode.window.activeTextEditor?.viewColumn ?? vscode.ViewColumn.One;
    await vscode.window.showTextDocument(document, { viewColumn: beside, selection: new vscode.Range(position, position) });
  } catch {
    void vscode.window.showWarningMessage(`${file} is not on this machine: it was logged elsewhere, or has moved since.`);
  }
}

async function save(webview: vscode.Webview, { id, name, body }: FromPanel & { type: "save" }): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const target = await vscode.window.showSaveDialog(folder ? { defaultUri: vscode.Uri.joinPath(folder, name) } : {});
  if (target) await vscode.workspace.fs.writeFile(target, body);
  await webview.postMessage({ type: "saved", id, saved: target !== undefined });
}
