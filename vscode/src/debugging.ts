// Explanations of a program that stands still: one `evaluate` per look, and nothing left behind in it.
import * as vscode from "vscode";
import { fillPanel, panelOptions } from "./panel";

const TYPES = ["debugpy", "python"];
/** What lets a program go on. */
const GOES_ON = /^(continue|next|step\w+|goto|restartFrame)$/;
/** The repr of what `look` returns. */
const ANSWER = /^['"]([\w+/=]*)['"]$/;

/** What the context menus of Variables and Watch pass on. */
interface Chosen {
  sessionId?: string;
  variable?: { evaluateName?: string; name?: string; value?: string };
}
interface Look {
  data?: unknown;
  note?: string;
  trouble?: string;
}
interface Frame {
  session: vscode.DebugSession;
  frameId: number;
}

export class Debugging implements vscode.Disposable {
  private panel: vscode.WebviewPanel | null = null;
  private ready: Promise<void> = Promise.resolve();
  private readonly pinned = new Set<string>();
  /** The program's stops, over all processes: the panel's steps. */
  private stops = 0;
  private readonly parts: vscode.Disposable[];

  constructor(private readonly extension: vscode.Uri) {
    this.parts = [
      vscode.commands.registerCommand("mmx.look", (chosen?: Chosen) => this.lookAt(chosen)),
      vscode.commands.registerCommand("mmx.pin", (chosen?: Chosen) => this.pin(chosen)),
      vscode.commands.registerCommand("mmx.unpin", () => this.pinned.clear()),
      vscode.debug.onDidChangeActiveStackItem((item) => void this.stopped(item)),
      ...TYPES.map((type) => vscode.debug.registerDebugAdapterTrackerFactory(type, { createDebugAdapterTracker: () => this.tracker() })),
      vscode.window.registerWebviewPanelSerializer("mmx.look", {
        // The program is gone with the window: there is nothing left to show.
        deserializeWebviewPanel: (panel) => Promise.resolve(panel.dispose()),
      }),
    ];
  }

  dispose(): void {
    this.parts.forEach((part) => part.dispose());
    this.panel?.dispose();
  }

  /** Of one process. Its threads may each tell that they stand, some of them late: that is one stop. */
  private tracker(): vscode.DebugAdapterTracker {
    let stands = false;
    return {
      onWillReceiveMessage: (message: { command?: string }) => {
        if (GOES_ON.test(message.command ?? "")) stands = false;
      },
      onDidSendMessage: (message: { type?: string; event?: string }) => {
        if (message.type !== "event" || message.event !== "stopped" || stands) return;
        stands = true;
        this.stops++;
      },
    };
  }

  private async lookAt(chosen?: Chosen): Promise<void> {
    const expression = expressionOf(chosen);
    if (!expression) return tell("Select an expression, or right-click one in Variables or Watch.");
    await this.show(expression, chosen?.sessionId);
  }

  private async pin(chosen?: Chosen): Promise<void> {
    const expression = expressionOf(chosen);
    if (!expression) return tell("Right-click an expression in Variables or Watch.");
    this.pinned.add(expression);
    await this.show(expression, chosen?.sessionId);
  }

  private async stopped(item: vscode.DebugThread | vscode.DebugStackFrame | undefined): Promise<void> {
    if (!(item instanceof vscode.DebugStackFrame) || !this.panel) return;
    for (const expression of this.pinned) await this.show(expression, undefined, true);
  }

  private async show(expression: string, sessionId?: string, quietly = false): Promise<void> {
    const frame = currentFrame(sessionId);
    if (typeof frame === "string") return tell(frame);
    const look = await evaluate(frame, expression, this.stops);
    if (look.trouble) {
      // A pinned name need not be there in every frame.
      if (!quietly) tell(`${expression}: ${look.trouble}`);
      return;
    }
    const { webview } = this.opened();
    await this.ready;
    await webview.postMessage({ type: "look", expression, data: look.data, note: look.note ?? "" });
  }

  private opened(): vscode.WebviewPanel {
    if (this.panel) return this.panel;
    const beside = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const panel = (this.panel = vscode.window.createWebviewPanel("mmx.look", "Explanations at this stop", beside, panelOptions(this.extension)));
    this.ready = new Promise((resolve) => {
      const listening = fillPanel(panel.webview, this.extension, "look", {}, (message) => {
        if (message.type === "ready") resolve();
      });
      panel.onDidDispose(() => {
        listening.dispose();
        this.panel = null;
      });
    });
    return panel;
  }
}

/** Where to evaluate, or a sentence. The stopped frame's session may be a subprocess of the one that was
 * started. */
function currentFrame(sessionId?: string): Frame | string {
  const item = vscode.debug.activeStackItem;
  if (!vscode.debug.activeDebugSession) return "No program is being debugged.";
  if (!(item instanceof vscode.DebugStackFrame)) return "The program is running: pause it, or let it come to a breakpoint.";
  if (!TYPES.includes(item.session.type)) return `Expected a Python program, got one of ${item.session.type}.`;
  if (sessionId && sessionId !== item.session.id) return "This value is of another process than the frame that is selected: select a frame of its own in Call Stack.";
  return { session: item.session, frameId: item.frameId };
}

async function evaluate({ session, frameId }: Frame, expression: string, stop: number): Promise<Look> {
  const look = `__import__("mmx_core.export.debugger", fromlist=["look"]).look((${expression}), step=${stop})`;
  try {
    // Of all contexts this alone is never cut.
    const { result } = (await session.customRequest("evaluate", { expression: look, frameId, context: "clipboard" })) as { result: string };
    const [, answer] = ANSWER.exec(result) ?? [];
    // In this context debugpy answers with what was raised as if that were the value: NameError("…").
    if (answer === undefined) return { trouble: inWords(result) };
    return JSON.parse(Buffer.from(answer, "base64").toString("utf8")) as Look;
  } catch (error) {
    return { trouble: inWords(error instanceof Error ? error.message : String(error)) };
  }
}

function inWords(message: string): string {
  if (/No module named '?mmx_core'?(?!\.)/.test(message)) return "the debugged program has no mmx-explain. Install it in its environment: pip install mmx-explain";
  if (/No module named '?mmx_core\.export/.test(message)) return "the debugged program's mmx-explain is too old to be looked at. Update it: pip install -U mmx-explain";
  if (/JSON|Unexpected/.test(message)) return "the debugger's answer cannot be read: it was cut, or is none of ours.";
  const last = message.trim().split("\n").at(-1) ?? "";
  return `it cannot be evaluated: ${last.replace(/^(\w+)\((["'])(.*)\2\)$/, "$1: $3")}`;
}

function expressionOf(chosen?: Chosen): string {
  const { variable } = chosen ?? {};
  if (variable) return variable.evaluateName || variable.name || "";
  const editor = vscode.window.activeTextEditor;
  if (!editor) return "";
  const selected = editor.document.getText(editor.selection).trim();
  const word = editor.document.getWordRangeAtPosition(editor.selection.active);
  return selected || (word ? editor.document.getText(word) : "");
}

function tell(sentence: string): void {
  void vscode.window.showWarningMessage(sentence);
}
