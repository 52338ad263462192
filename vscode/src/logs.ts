// What a log holds, asked of its server, and which directory that serves: for the tree, the tabs and the
// lines that logged it.
import * as path from "node:path";
import * as vscode from "vscode";
import type { Server } from "./relay";

export interface Sample {
  run: string;
  tag: string;
  steps: number[];
  /** At its last step; null where it is not told. */
  probability: number | null;
}
interface Index {
  runs: { run: string; samples: { tag: string; steps: number[] }[] }[];
}
interface Records {
  records: { tag: string; step: number; lowest_probability?: number | null }[];
}

/** The directory that is served for an event file, …/LOGDIR/RUN/mmx-START/events…, so that its runs are beside
 * each other, and the file's run in it: never above the workspace; of a file elsewhere its run alone. */
export function servedWith(file: vscode.Uri): { logdir: string; run: string } {
  const workspace = vscode.workspace.getWorkspaceFolder(file)?.uri.fsPath;
  const folder = vscode.Uri.joinPath(file, "..").fsPath;
  const root = workspace ?? path.parse(folder).root;
  const parts = path.relative(root, folder).split(path.sep).filter(Boolean);
  if (parts.at(-1)?.startsWith("mmx-")) parts.pop();
  const run = workspace !== undefined && parts.pop();
  return { logdir: path.join(root, ...parts), run: run || "." };
}

export async function readJson(server: Server, path: string): Promise<unknown> {
  const { status, body } = await server.get(path, AbortSignal.timeout(60_000));
  const text = Buffer.from(body).toString("utf8");
  if (status !== 200) throw new Error(text.slice(0, 300));
  return JSON.parse(text);
}

/** The samples of each run, those with the least probable word first. */
export async function readRuns(server: Server): Promise<Map<string, Sample[]>> {
  const { runs } = (await readJson(server, "index")) as Index;
  const entries = runs.map(async ({ run, samples }) => {
    const { records } = (await readJson(server, `records?${new URLSearchParams({ run })}`)) as Records;
    const listed = samples.map(({ tag, steps }) => {
      const last = records.find((record) => record.tag === tag && record.step === steps.at(-1));
      return { run, tag, steps, probability: last?.lowest_probability ?? null };
    });
    return [run, listed.sort((one, other) => (one.probability ?? 2) - (other.probability ?? 2))] as const;
  });
  return new Map(await Promise.all(entries));
}
