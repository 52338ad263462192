// What a log holds, asked of its server: for the tree and for the lines that logged it.
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
