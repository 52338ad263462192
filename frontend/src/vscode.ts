// The entry of VS Code's webview. In a page that was saved from there, ./index starts itself.
import { render } from "./index";
import { VsCodeHost } from "./view/vscode_host";

// What the page was made for (panel.ts of the extension).
const told = document.getElementById("mmx-host")?.textContent;
if (told) {
  const { kind, kept } = JSON.parse(told) as { kind: string; kept: { view?: Record<string, string> } };
  void render(new VsCodeHost(kind, kept));
}
