// One blob of the wire format (mmx_core/events/wire_format.md): checked, then decoded.
import { crc32 } from "./crc32";

export class DamagedError extends Error {}

/** Written by a newer version of the library: nothing is wrong with it, we cannot read it. */
export class NewerVersionError extends DamagedError {}

interface Opened {
  dtype: number;
  shape: number[];
  content: Uint8Array<ArrayBuffer>;
}

export const VERSION = 1;
const FIXED_BYTES = 16;
const CRC_OFFSET = 8;
export const LARGEST_BYTES = 256 * 1024 * 1024;
const DEEPEST = 64;
const NAN_CODE = 255;
const QUANTISED = 0;
const FLOAT32 = 2;
const JSON_TEXT = 3;
const RAW = 4;

/** JSON, as strictly as Python reads it. */
export async function decodeJson(bytes: Uint8Array<ArrayBuffer>): Promise<unknown> {
  const { dtype, content } = await openBlob(bytes);
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content));
    checkJson(value, dtype === JSON_TEXT ? DEEPEST : 0);
    return value;
  } catch {
    throw new DamagedError("not valid JSON");
  }
}

export async function decodeArray(bytes: Uint8Array<ArrayBuffer>, expected: number[]): Promise<Float32Array<ArrayBuffer>> {
  const { dtype, shape, content } = await openBlob(bytes);
  // What is no array has no dimensions.
  if (shape.join() !== expected.join()) {
    throw new DamagedError(`expected shape ${expected.join("×")}, got ${shape.join("×")}`);
  }
  return readValues(dtype, shape, content);
}

/** A blob's content, whose checksum, lengths and shape are right. */
export async function openBlob(bytes: Uint8Array<ArrayBuffer>): Promise<Opened> {
  if (bytes.length < FIXED_BYTES) throw new DamagedError("cut short");
  const view = viewOf(bytes);
  if (view.getUint32(0) !== 0x4d4d5842) throw new DamagedError("not an MMXB blob");
  const [version, dtype, compression, dimensions] = bytes.subarray(4) as unknown as [number, number, number, number];
  if (version > VERSION) throw new NewerVersionError(`written in wire version ${version}`);
  const head = FIXED_BYTES + 4 * dimensions;
  if (version < 1 || dtype > RAW || compression > 1 || dimensions > 4 || bytes.length < head) {
    throw new DamagedError("impossible fields");
  }
  const cleared = bytes.slice().fill(0, CRC_OFFSET, CRC_OFFSET + 4);
  if (crc32(cleared) !== view.getUint32(CRC_OFFSET, true)) throw new DamagedError("checksum mismatch");
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(FIXED_BYTES + 4 * i, true));
  const declared = declaredBytes(bytes);
  const expected = dtype > FLOAT32 && !dimensions ? declared : payloadBytes(dtype, shape);
  // An empty array may have sides that no array can have.
  const largest = Math.max(declared * (dtype === JSON_TEXT ? 16 : 1), product(shape.filter(Boolean)));
  if (expected !== declared || largest > LARGEST_BYTES) {
    throw new DamagedError(`shape ${shape.join("×")} does not fit ${declared} bytes`);
  }
  const payload = bytes.subarray(head);
  const content = compression ? await inflate(payload, declared) : payload;
  if (content.length !== declared) throw new DamagedError(`payload does not fit ${declared} bytes`);
  return { dtype, shape, content };
}

/** What a blob says that it unpacks to, unchecked. */
export function declaredBytes(bytes: Uint8Array<ArrayBuffer>): number {
  return bytes.length < FIXED_BYTES ? 0 : viewOf(bytes).getUint32(12, true);
}

function viewOf({ buffer, byteOffset }: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(buffer, byteOffset);
}

function product(sizes: number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

/** NaN where no such array has that many dimensions. */
function payloadBytes(dtype: number, shape: number[]): number {
  const count = product(shape);
  if (dtype === QUANTISED) return 8 * shape[0]! + count;
  return dtype > FLOAT32 ? NaN : 2 * dtype * count;
}

async function inflate(
  payload: Uint8Array<ArrayBuffer>,
  expected: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const result = new Uint8Array(expected);
  const reader = new Response(payload).body!.pipeThrough(new DecompressionStream("deflate")).getReader();
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return result.subarray(0, filled);
      // Of what is longer than it claims, nothing fits.
      result.set(value, filled);
      filled += value.length;
    }
  } catch {
    await reader.cancel().catch(() => undefined);
    throw new DamagedError("does not decompress");
  }
}

/** Refuses what the parser took but Python's would not: infinities, halves of characters, deep nesting. */
function checkJson(value: unknown, levels: number): void {
  if (!levels || value === Infinity || value === -Infinity || (typeof value === "string" && /\p{Cs}/u.test(value))) throw 0;
  if (typeof value === "object") {
    for (const key in value) {
      checkJson(key, levels);
      checkJson((value as Record<string, unknown>)[key], levels - 1);
    }
  }
}

function readValues(
  dtype: number,
  shape: number[],
  content: Uint8Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const view = viewOf(content);
  const count = product(shape);
  const values = new Float32Array(count);
  if (dtype) {
    // All there are, at once: an answer of a thousand tokens has sixteen million of them.
    if (dtype !== FLOAT32) halves ??= Float32Array.from({ length: 65536 }, (_, bits) => float16(bits));
    for (let i = 0; i < count; i++) {
      values[i] = dtype === FLOAT32 ? view.getFloat32(4 * i, true) : halves![view.getUint16(2 * i, true)]!;
    }
  } else {
    const maps = shape[0]!;
    const size = maps ? count / maps : 0;
    for (let map = 0; map < maps; map++) {
      const scale = view.getFloat32(4 * map, true);
      const offset = view.getFloat32(4 * (maps + map), true);
      if (!(Math.abs(offset) < Infinity && scale >= 0 && scale < Infinity)) throw new DamagedError("impossible fields");
      for (let i = 0; i < size; i++) {
        const code = content[8 * maps + map * size + i]!;
        // Rounded as Python's float32 is.
        values[map * size + i] = code === NAN_CODE ? NaN : offset + Math.fround(scale * code);
      }
    }
  }
  return values;
}

let halves: Float32Array | undefined;

function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity) : 2 ** ((exponent || 1) - 25) * ((exponent && 1024) + fraction);
  return bits & 0x8000 ? -size : size;
}
