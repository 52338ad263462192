// Above the lines that logged explanations: how many, and when last. Each record says its file and line,
// so none is guessed.
import * as vscode from "vscode";
import { type Sample, readJson, readRuns } from "./logs";
import type { Server, Servers } from "./relay";

interface Logged {
  logdir: string;
  count: number;
  last: Sample;
  step: number;
}
/** Of each run so many samples are asked where they were logged; the others were by the same lines. */
const SAMPLES_PER_RUN = 8;

export class SourceLines implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.changed.event;

  constructor(private readonly servers: Servers) {}

  dispose(): void {
    this.changed.dispose();
  }

  refresh(): void {
    this.changed.fire();
  }

  /** Only of logs that are open already: looking at a file starts no server. */
  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    if (!vscode.workspace.getConfiguration("mmx").get<boolean>("codeLens")) return [];
    const found = await Promise.all(this.servers.running.map((server) => linesOf(server, document.uri.fsPath).catch(() => new Map<number, Logged>())));
    return found.flatMap((lines) =>
      [...lines].map(([line, { logdir, count, last, step }]) => {
        const at = new vscode.Range(Math.max(0, line - 1), 0, Math.max(0, line - 1), 0);
        const title = `${count} explanation${count === 1 ? "" : "s"}, last at step ${step}`;
        const view = { run: last.run, tag: last.tag, step: String(step) };
        return new vscode.CodeLens(at, { title, command: "mmx.openView", arguments: [logdir, view] });
      }),
    );
  }
}

async function linesOf(server: Server, file: string): Promise<Map<number, Logged>> {
  const lines = new Map<number, Logged>();
  for (const samples of (await readRuns(server)).values()) {
    for (const sample of samples.slice(0, SAMPLES_PER_RUN)) {
      const step = sample.steps.at(-1);
      if (step === undefined) continue;
      const query = new URLSearchParams({ run: sample.run, tag: sample.tag, step: String(step) });
      const header = (await readJson(server, `header?${query}`)) as { provenance?: { logged_at?: { file?: unknown; line?: unknown } } };
      const place = header.provenance?.logged_at;
      if (place?.file !== file || !Number.isInteger(place.line)) continue;
      const line = place.line as number;
      const before = lines.get(line);
      const later = !before || step >= before.step ? { last: sample, step } : { last: before.last, step: before.step };
      lines.set(line, { logdir: server.logdir, count: (before?.count ?? 0) + sample.steps.length, ...later });
    }
  }
  return lines;
}
