// What a page that carries its data answers in TensorBoard's place.
import type { IndexRecord, IndexResponse, PanelApi } from "./api";
import { decodeStep } from "./blobs_response";
import type { EmbeddedData } from "./embedded";
import type { LoadReply, StepLoader } from "./step_loader";

export class EmbeddedApi implements PanelApi, StepLoader {
  constructor(private readonly data: EmbeddedData) {}

  index(): Promise<IndexResponse> {
    return Promise.resolve(this.data.index);
  }

  records(run: string): Promise<IndexRecord[]> {
    return Promise.resolve(this.data.records[run] ?? []);
  }

  async image(_run: string, hash: string): Promise<ImageBitmap> {
    const image = new Image();
    image.src = this.imageAddress("", hash);
    await image.decode();
    return createImageBitmap(image);
  }

  imageAddress(_run: string, hash: string): string {
    return this.data.images[hash] ?? "";
  }

  async load(_id: number, run: string, tag: string, steps: number[]): Promise<LoadReply> {
    const results = steps.map(async (step) => {
      const blobs = this.found(run, tag, step);
      return blobs ? decodeStep(blobs, run, tag, step) : { step, damage: "not in this page" };
    });
    return { results: await Promise.all(results) };
  }

  blobs(run: string, tag: string, step: number): Promise<Uint8Array[]> {
    return Promise.resolve(this.found(run, tag, step) ?? []);
  }

  private found(run: string, tag: string, step: number): Uint8Array<ArrayBuffer>[] | undefined {
    const found = this.data.explanations.find((entry) => entry.run === run && entry.tag === tag && entry.step === step);
    return found?.blobs.map(bytesOf);
  }

  /** Decoding is quick, and nothing is on its way. */
  cancel(): void {}
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  // A plain loop: through an iterator megabytes take seconds.
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
