// The plugin's HTTP API, as documented in tb_mmx_plugin/http_api.md. Relative URLs only.
import { fetchChecked } from "./fetch_checked";

export interface SampleEntry {
  tag: string;
  set: string;
  sample: string;
  steps: number[];
  wall_times: number[];
}
export interface RunEntry {
  run: string;
  samples: SampleEntry[];
  images: string[];
}
export interface IndexResponse {
  version: number;
  runs: RunEntry[];
}
export interface IndexRecord {
  tag: string;
  step: number;
  answer?: string;
  error?: string;
}

export async function fetchIndex(base: string): Promise<IndexResponse> {
  return (await (await fetchChecked(new URL("index", base).href)).json()) as IndexResponse;
}

export async function fetchRecords(base: string, run: string): Promise<IndexRecord[]> {
  const response = await fetchChecked(address(base, "records", { run }));
  return ((await response.json()) as { records: IndexRecord[] }).records;
}

export async function fetchImage(base: string, run: string, hash: string): Promise<ImageBitmap> {
  const response = await fetchChecked(address(base, "image", { run, hash }));
  return createImageBitmap(await response.blob());
}

export function blobsAddress(base: string, run: string, tag: string, steps: number[]): string {
  const url = new URL(address(base, "blobs", { run, tag }));
  for (const step of steps) url.searchParams.append("step", String(step));
  return url.href;
}

function address(base: string, route: string, parameters: Record<string, string>): string {
  const url = new URL(route, base);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}
