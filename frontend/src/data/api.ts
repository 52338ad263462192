// The plugin's HTTP API, as documented in tb_mmx_plugin/http_api.md. Relative URLs only.
import { fetchChecked } from "./fetch_checked";

export interface SampleEntry {
  tag: string;
  set: string;
  sample: string;
  steps: number[];
  wall_times: number[];
  /** Steps of which only the index record is left: TensorBoard gave the tag to a scalar. */
  lost?: number[];
}
export interface RunEntry {
  run: string;
  /** Directories that make it up: names that older links, and TensorBoard itself, know it by. */
  starts?: string[];
  samples: SampleEntry[];
  images: string[];
}
export interface IndexResponse {
  version: number;
  runs: RunEntry[];
}
/** As the plugin's `records` route answers it. */
export interface IndexRecord {
  tag: string;
  step: number;
  wall_time?: number | null;
  answer?: string;
  prompt?: string;
  tokens?: number;
  /** Its hash. */
  image?: string | null;
  metrics?: Record<string, number | null>;
  grounding?: number | null;
  lowest_grounding?: number | null;
  lowest_probability?: number | null;
  agreement?: number | null;
  bytes?: number;
  /** The explanation itself cannot be opened. */
  lost?: boolean;
  /** Why the record cannot be read; then it has nothing else. */
  error?: string;
}

/** Where the panel's data comes from: TensorBoard, or the page itself. */
export interface PanelApi {
  index(): Promise<IndexResponse>;
  records(run: string): Promise<IndexRecord[]>;
  image(run: string, hash: string): Promise<ImageBitmap>;
  /** For an `img` element; empty where there is none. */
  imageAddress(run: string, hash: string): string;
  /** One explanation's blobs, as logged. */
  blobs(run: string, tag: string, step: number): Promise<Uint8Array[]>;
}

export class HttpApi implements PanelApi {
  constructor(private readonly base: string) {}

  async index(): Promise<IndexResponse> {
    return (await (await fetchChecked(new URL("index", this.base).href)).json()) as IndexResponse;
  }

  async records(run: string): Promise<IndexRecord[]> {
    const response = await fetchChecked(address(this.base, "records", { run }));
    return ((await response.json()) as { records: IndexRecord[] }).records;
  }

  async image(run: string, hash: string): Promise<ImageBitmap> {
    const response = await fetchChecked(this.imageAddress(run, hash));
    return createImageBitmap(await response.blob());
  }

  imageAddress(run: string, hash: string): string {
    return address(this.base, "image", { run, hash });
  }

  async blobs(run: string, tag: string, step: number): Promise<Uint8Array[]> {
    const response = await fetchChecked(blobsAddress(this.base, run, tag, [step]));
    // Wanted by the export alone; whatever is shown comes through the worker.
    const { splitBlobs } = await import("./blobs_response");
    return splitBlobs(await response.arrayBuffer()).flatMap((entry) => entry.blobs ?? []);
  }
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
