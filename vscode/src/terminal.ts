// What is done by `mmx` itself, in the chosen interpreter: the check, and the explanation of a picture.
import { spawn } from "node:child_process";
import { basename, dirname, join } from "node:path";
import * as vscode from "vscode";
import { interpreter } from "./interpreter";

export async function doctor(): Promise<void> {
  try {
    const python = await interpreter();
    const terminal = vscode.window.createTerminal({ name: "mmx doctor", shellPath: python, shellArgs: ["-m", "mmx_core", "doctor"] });
    terminal.show();
  } catch (error) {
    void vscode.window.showWarningMessage(error instanceof Error ? error.message : String(error));
  }
}

/** Asks for the model and the prompt, which are remembered; the log directory, once it is written. */
export async function explainPicture(picture: vscode.Uri, memory: vscode.Memento): Promise<string | undefined> {
  const model = await asked(memory, "model", "Model: a name on the Hub, or a directory");
  const prompt = model && (await asked(memory, "prompt", "Prompt"));
  if (!model || !prompt) return undefined;
  const logdir = join(dirname(picture.fsPath), "mmx-explanations");
  const title = `Explaining ${basename(picture.fsPath)}`;
  const done = await runMmx(title, ["explain", "--image", picture.fsPath, "--model", model, "--prompt", prompt, "--logdir", logdir]);
  return done ? logdir : undefined;
}

/** Shows what it says while it runs; false if it was cancelled. Throws its last line where it fails. */
export async function runMmx(title: string, command: string[]): Promise<boolean> {
  const python = await interpreter();
  const where = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(
    where,
    (progress, cancelled) =>
      new Promise<boolean>((resolve, reject) => {
        const running = spawn(python, ["-m", "mmx_core", ...command], { stdio: ["ignore", "pipe", "pipe"] });
        let said = "";
        const listen = (text: Buffer) => {
          said = (said + text.toString()).slice(-2000);
          progress.report({ message: lastLine(said).slice(0, 100) });
        };
        running.stdout.on("data", listen);
        running.stderr.on("data", listen);
        cancelled.onCancellationRequested(() => running.kill());
        running.on("error", (error) => reject(new Error(`${python} cannot be started: ${error.message}`)));
        running.on("exit", (code) => {
          if (cancelled.isCancellationRequested) resolve(false);
          else if (code === 0) resolve(true);
          else reject(new Error(`mmx ${command[0]} has failed: ${lastLine(said)}`));
        });
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
