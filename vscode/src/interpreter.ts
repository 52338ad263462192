// Which Python reads logs. The debugger needs none: the debugged program looks for itself.
import { execFile } from "node:child_process";
import * as vscode from "vscode";

/** The Python extension's answer, as far as we ask (its published API). */
interface PythonApi {
  environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(path: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
  };
}

/** Throws a sentence where none may be started. */
export async function interpreter(): Promise<string> {
  if (!vscode.workspace.isTrusted) {
    throw new Error("This folder is not trusted: no interpreter is started here. Trust it (Workspaces: Manage Workspace Trust) to read logs.");
  }
  return vscode.workspace.getConfiguration("mmx").get<string>("pythonPath") || (await fromPythonExtension()) || "python3";
}

async function fromPythonExtension(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonApi>("ms-python.python");
  if (!extension) return undefined;
  const { environments } = await extension.activate();
  const found = await environments.resolveEnvironment(environments.getActiveEnvironmentPath());
  return found?.executable.uri?.fsPath;
}

/** What is missing for the panel to be served, in a sentence; empty if nothing is. */
export function missingIn(python: string): Promise<string> {
  const names = "tensorboard tb_mmx_plugin mmx_core";
  const code = `import importlib.util as u; print(*[n for n in "${names}".split() if not u.find_spec(n)])`;
  return new Promise((resolve) => {
    execFile(python, ["-c", code], { timeout: 20_000 }, (error, output) => {
      const missing = output.trim();
      if (error && !missing) resolve(`${python} cannot be started: ${error.message.split("\n")[0]} Choose another in the setting mmx.pythonPath.`);
      else resolve(missing && `${python} lacks ${missing.replaceAll(" ", ", ")}. Install it there: ${python} -m pip install mmx-explain`);
    });
  });
}

/** Why it cannot list the directory, in a sentence; empty if it can. TensorBoard would serve it as an empty one. */
export function unreadableBy(python: string, logdir: string): Promise<string> {
  const code = "import sys; from mmx_core.events.reader import check_logdir; check_logdir(sys.argv[1])";
  return new Promise((resolve) => {
    execFile(python, ["-c", code, logdir], { timeout: 60_000 }, (error, _output, said) => {
      resolve(error ? (said.trim().split("\n").at(-1) ?? "").replace(/^\w+: /, "") || `${logdir} cannot be listed: ${error.message}` : "");
    });
  });
}
