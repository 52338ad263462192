// What is done by `mmx` itself, in the chosen interpreter: the check, the export, the explanation of a picture.
import { spawn } from "node:child_process";
import { basename, dirname, join } from "node:path";
import * as vscode from "vscode";
import { interpreter, missingIn } from "./interpreter";

export const CHECKED = "mmx-doctor";

/** The text of a check, which is in its address: a document that is read only and asks for no name. */
export const checked: vscode.TextDocumentContentProvider = { provideTextDocumentContent: ({ query }) => query };

/** What the interpreter has and lacks, in a tab: a terminal would close with the command. */
export async function doctor(): Promise<void> {
  const python = await interpreter();
  const { said, code } = await runMmx("Checking the interpreter", ["doctor"]);
  if (code === null) return;
  // Without mmx, Python alone has spoken.
  const missing = code === 0 ? "" : await missingIn(python);
  const query = `${python}\n\n${missing || said.trim()}\n`;
  await vscode.window.showTextDocument(vscode.Uri.from({ scheme: CHECKED, path: "mmx doctor", query }));
}

/** Asks for the model and the prompt, which are remembered. The log directory and the run in it, once they are
 * written: one run per model, so that models are compared. */
export async function explainPicture(picture: vscode.Uri, memory: vscode.Memento): Promise<{ logdir: string; run: string } | undefined> {
  const model = await asked(memory, "model", "Model: a name on the Hub, or a directory");
  const prompt = model && (await asked(memory, "prompt", "Prompt"));
  if (!model || !prompt) return undefined;
  const logdir = join(dirname(picture.fsPath), "mmx-explanations");
  const run = basename(model) || "model";
  const command = ["explain", "--image", picture.fsPath, "--model", model, "--prompt", prompt, "--logdir", join(logdir, run)];
  const { code } = await succeeded(`Explaining ${basename(picture.fsPath)}`, command);
  return code === 0 ? { logdir, run } : undefined;
}

interface Ended {
  said: string;
  /** Null if it was cancelled. */
  code: number | null;
}

/** Throws its last line where it fails. */
export async function succeeded(title: string, command: string[]): Promise<Ended> {
  const ended = await runMmx(title, command);
  if (ended.code) throw new Error(`mmx ${command[0]} has failed: ${lastLine(ended.said)}`);
  return ended;
}

/** Shows what it says while it runs. */
async function runMmx(title: string, command: string[]): Promise<Ended> {
  const python = await interpreter();
  const where = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(
    where,
    (progress, cancelled) =>
      new Promise<Ended>((resolve, reject) => {
        const running = spawn(python, ["-m", "mmx_core", ...command], { stdio: ["ignore", "pipe", "pipe"] });
        let said = "";
        const listen = (text: Buffer) => {
          said = (said + text.toString()).slice(-8000);
          progress.report({ message: lastLine(said).slice(0, 100) });
        };
        running.stdout.on("data", listen);
        running.stderr.on("data", listen);
        cancelled.onCancellationRequested(() => running.kill());
        running.on("error", (error) => reject(new Error(`${python} cannot be started: ${error.message}`)));
        // When its last word has been read, too.
        running.on("close", (code) => resolve({ said, code: cancelled.isCancellationRequested ? null : (code ?? 1) }));
      }),
  );
}

function lastLine(said: string): string {
  return said.trim().split(/[\r\n]+/).at(-1) ?? "";
}

async function asked(memory: vscode.Memento, name: string, prompt: string): Promise<string | undefined> {
  const value = await vscode.window.showInputBox({ prompt, value: memory.get(name, ""), ignoreFocusOut: true });
  if (value) await memory.update(name, value);
  return value;
}
