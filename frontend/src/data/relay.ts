// TensorBoard's routes through an editor's extension, which alone speaks to the server: the same over
// SSH and in containers, with no port forwarded.
import { type IndexRecord, type IndexResponse, type PanelApi } from "./api";
import { decodeBlobsResponse, splitBlobs } from "./blobs_response";
import { ServerError } from "./fetch_checked";
import { reason } from "./reason";
import type { LoadReply, StepLoader } from "./step_loader";

export interface Answer {
  status: number;
  mime: string;
  body: ArrayBuffer;
}

/** Asks for a path below the plugin's; rejects with a sentence where nobody answers. */
export type Ask = (path: string, signal?: AbortSignal) => Promise<Answer>;

export class RelayApi implements PanelApi, StepLoader {
  private readonly running = new Map<number, AbortController>();
  private readonly addresses = new Map<string, string>();

  /** @param imageCame An address that was empty is not any more. */
  constructor(
    private readonly ask: Ask,
    private readonly imageCame: () => void = () => undefined,
  ) {}

  async index(): Promise<IndexResponse> {
    return (await this.json("index", {})) as IndexResponse;
  }

  async records(run: string): Promise<IndexRecord[]> {
    return ((await this.json("records", { run })) as { records: IndexRecord[] }).records;
  }

  async image(run: string, hash: string): Promise<ImageBitmap> {
    return createImageBitmap(await this.picture(run, hash));
  }

  /** Empty at first: an `img` element cannot ask the extension. */
  imageAddress(run: string, hash: string): string {
    const address = this.addresses.get(hash);
    if (address === undefined) {
      this.addresses.set(hash, "");
      void this.picture(run, hash).then(this.imageCame, () => this.addresses.delete(hash));
    }
    return address ?? "";
  }

  async load(id: number, run: string, tag: string, steps: number[]): Promise<LoadReply> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      const { body } = await this.get("blobs", { run, tag, step: steps.map(String) }, controller.signal);
      return { results: await decodeBlobsResponse(body, run, tag) };
    } catch (error) {
      const kind = error instanceof ServerError ? error.kind : "refused";
      return { failure: { kind, message: reason(error) } };
    } finally {
      this.running.delete(id);
    }
  }

  cancel(id: number): void {
    this.running.get(id)?.abort();
  }

  async blobs(run: string, tag: string, step: number): Promise<Uint8Array[]> {
    const { body } = await this.get("blobs", { run, tag, step: String(step) });
    return splitBlobs(body).flatMap((entry) => entry.blobs ?? []);
  }

  private async picture(run: string, hash: string): Promise<Blob> {
    const { body, mime } = await this.get("image", { run, hash });
    const blob = new Blob([body], { type: mime });
    if (!this.addresses.get(hash)) this.addresses.set(hash, URL.createObjectURL(blob));
    return blob;
  }

  private async json(route: string, parameters: Record<string, string>): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode((await this.get(route, parameters)).body));
  }

  private async get(route: string, parameters: Record<string, string | string[]>, signal?: AbortSignal): Promise<Answer> {
    const query = new URLSearchParams(Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, one])));
    let answer: Answer;
    try {
      answer = await this.ask(`${route}?${query}`, signal);
    } catch (error) {
      throw new ServerError("gone", reason(error));
    }
    if (answer.status === 200) return answer;
    const told = answer.mime.startsWith("text/plain") ? new TextDecoder().decode(answer.body.slice(0, 300)) : "";
    throw new ServerError("refused", told || `The server answered ${answer.status}.`);
  }
}
