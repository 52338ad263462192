// The `blobs` route's framing (tb_mmx_plugin/http_api.md): length, JSON, bytes.
import { DamagedError, NewerVersionError } from "./blob";
import { decodeExplanation } from "./decode";
import type { Explanation } from "./explanation";
import { reason } from "./reason";

export type StepResult =
  | { step: number; explanation: Explanation }
  | { step: number; damage: string };

interface Entry {
  step: number;
  blobs?: number[];
  error?: string;
}

/** The entries with their blobs, undecoded. */
export function splitBlobs(buffer: ArrayBuffer): { step: number; blobs: Uint8Array<ArrayBuffer>[] | null; error: string }[] {
  const head = new DataView(buffer).getUint32(0, true);
  if (4 + head > buffer.byteLength) throw new DamagedError("the server's answer is cut short");
  const entries = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, head))) as Entry[];
  let offset = 4 + head;
  return entries.map(({ step, blobs, error }) => ({
    step,
    error: error ?? "no data",
    blobs:
      blobs?.map((length) => {
        const end = Math.min(offset + length, buffer.byteLength);
        const blob = new Uint8Array(buffer, Math.min(offset, end), Math.max(0, end - offset));
        offset += length;
        return blob;
      }) ?? null,
  }));
}

export function decodeBlobsResponse(buffer: ArrayBuffer, run: string, tag: string): Promise<StepResult[]> {
  const results = splitBlobs(buffer).map(({ step, blobs, error }) =>
    blobs ? decodeStep(blobs, run, tag, step) : Promise.resolve({ step, damage: error }),
  );
  return Promise.all(results);
}

export async function decodeStep(
  blobs: Uint8Array<ArrayBuffer>[],
  run: string,
  tag: string,
  step: number,
): Promise<StepResult> {
  try {
    return { step, explanation: await decodeExplanation(blobs, { run, tag, step }) };
  } catch (error) {
    const newer = error instanceof NewerVersionError;
    return { step, damage: newer ? `${reason(error)}: update this plugin to read it` : reason(error) };
  }
}
