// Records to be refused or read by both decoders (tests/hostile/cases.py).
import { inflateSync } from "node:zlib";
import { DamagedError } from "../src/data/blob";
import { decodeExplanation, layersOf } from "../src/data/decode";
import type { Explanation } from "../src/data/explanation";

export interface Case {
  name: string;
  accepted: boolean | null;
  blobs: Uint8Array<ArrayBuffer>[];
}

interface Head {
  tag: string;
  step: number;
  base: number[];
  cases: { name: string; accepted: boolean | null; blobs: (number | [number])[] }[];
}

export function readCases(file: Uint8Array<ArrayBuffer>): { cases: Case[]; tag: string; step: number } {
  const length = new DataView(file.buffer).getUint32(0, true);
  const { base, cases, ...place } = JSON.parse(new TextDecoder().decode(file.subarray(4, 4 + length))) as Head;
  let offset = 4 + length;
  const next = (size: number) => file.slice(offset, (offset += size));
  const first = base.map(next);
  const blobs = (sizes: (number | [number])[]) => sizes.map((size) => (typeof size === "number" ? first[size]! : next(size[0])));
  return { cases: cases.map((entry) => ({ ...entry, blobs: blobs(entry.blobs) })), ...place };
}

/** What the blobs hold, or null where anything of it is refused; other failures are thrown. */
export async function read(blobs: Case["blobs"], tag: string, step: number): Promise<Explanation | null> {
  try {
    const explanation = await decodeExplanation(blobs, { run: "", tag, step });
    const damaged = explanation.matrixDamage ?? explanation.measuredDamage ?? layersOf(explanation).find(({ damage }) => damage)?.damage;
    return damaged ? null : explanation;
  } catch (error) {
    if (error instanceof DamagedError) return null;
    throw error;
  }
}

/** As the standard and the browsers have it: Node.js before 24 overlooks what follows the stream. */
export class StrictDecompression extends TransformStream<Uint8Array, Uint8Array> {
  constructor() {
    const pieces: Uint8Array[] = [];
    super({
      transform: (piece) => void pieces.push(piece),
      flush: (controller) => {
        const whole = Buffer.concat(pieces);
        const { buffer, engine } = inflateSync(whole, { info: true }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
        if (engine.bytesWritten !== whole.length) throw new TypeError("junk after the compressed data");
        if (buffer.length) controller.enqueue(Uint8Array.from(buffer));
      },
    });
  }
}
