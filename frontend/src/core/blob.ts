// One blob of the wire format (mmx_core/events/wire_format.md): checked, then decoded.
import { crc32 } from "./crc32";

export class DamagedError extends Error {
  override name = "DamagedError";
}

/** Written by a newer version of the library: nothing is wrong with it, we cannot read it. */
export class NewerVersionError extends DamagedError {
  override name = "NewerVersionError";
}

export interface ArrayBlob {
  kind: "array";
  shape: number[];
  values: Float32Array<ArrayBuffer>;
}
export interface JsonBlob {
  kind: "json";
  value: unknown;
}
export interface BytesBlob {
  kind: "bytes";
  bytes: Uint8Array<ArrayBuffer>;
}
export type Blob = ArrayBlob | JsonBlob | BytesBlob;

export const VERSION = 1;
const FIXED_BYTES = 16;
const CRC_OFFSET = 8;
const LARGEST_PAYLOAD_BYTES = 256 * 1024 * 1024;
const NAN_CODE = 255;
const QUANTISED = 0;
const FLOAT16 = 1;
const FLOAT32 = 2;
const JSON_TEXT = 3;
const RAW = 4;

export async function decodeBlob(bytes: Uint8Array<ArrayBuffer>): Promise<Blob> {
  const { dtype, compression, declared, shape, payload } = readEnvelope(bytes);
  const content = compression === 1 ? await inflate(payload, declared) : payload;
  if (content.length !== declared) {
    throw new DamagedError(`payload has ${content.length} bytes, expected ${declared}`);
  }
  if (dtype === JSON_TEXT) return { kind: "json", value: parseJson(content) };
  if (dtype === RAW) return { kind: "bytes", bytes: content };
  return { kind: "array", shape, values: readValues(dtype, shape, content) };
}

interface Envelope {
  dtype: number;
  compression: number;
  declared: number;
  shape: number[];
  payload: Uint8Array<ArrayBuffer>;
}

function readEnvelope(bytes: Uint8Array<ArrayBuffer>): Envelope {
  if (bytes.length < FIXED_BYTES) throw new DamagedError(`only ${bytes.length} bytes long`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, false) !== 0x4d4d5842) throw new DamagedError("not an MMXB blob");
  const version = view.getUint8(4);
  if (version > VERSION) throw new NewerVersionError(`written in wire version ${version}`);
  const [dtype, compression, dimensions] = [view.getUint8(5), view.getUint8(6), view.getUint8(7)];
  const head = FIXED_BYTES + 4 * dimensions;
  if (version < 1 || dtype > RAW || compression > 1 || dimensions > 4 || bytes.length < head) {
    throw new DamagedError("impossible header fields");
  }
  const crc = crc32(bytes.subarray(0, CRC_OFFSET), new Uint8Array(4), bytes.subarray(CRC_OFFSET + 4));
  if (crc !== view.getUint32(CRC_OFFSET, true)) throw new DamagedError("checksum mismatch");
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(FIXED_BYTES + 4 * i, true));
  const declared = view.getUint32(12, true);
  const expected = payloadBytes(dtype, shape);
  if (expected !== null && expected !== declared) {
    throw new DamagedError(`shape ${shape.join("×")} does not fit ${declared} bytes`);
  }
  if (declared > LARGEST_PAYLOAD_BYTES) throw new DamagedError(`claims ${declared} bytes`);
  return { dtype, compression, declared, shape, payload: bytes.subarray(head) };
}

function payloadBytes(dtype: number, shape: number[]): number | null {
  const count = shape.reduce((product, size) => product * size, 1);
  if (dtype === QUANTISED) return 8 * (shape[0] ?? 1) + count;
  if (dtype === FLOAT16) return 2 * count;
  if (dtype === FLOAT32) return 4 * count;
  return null;
}

async function inflate(
  payload: Uint8Array<ArrayBuffer>,
  expected: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const result = new Uint8Array(expected);
  const source = new Response(payload).body!.pipeThrough(new DecompressionStream("deflate"));
  const reader = source.getReader();
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > expected) throw new DamagedError("longer than it claims");
      result.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error instanceof DamagedError ? error : new DamagedError("does not decompress");
  }
  return result.subarray(0, filled);
}

function parseJson(content: Uint8Array<ArrayBuffer>): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch {
    throw new DamagedError("not valid JSON");
  }
}

function readValues(
  dtype: number,
  shape: number[],
  content: Uint8Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const count = shape.reduce((product, size) => product * size, 1);
  const values = new Float32Array(count);
  if (dtype === FLOAT32) {
    for (let i = 0; i < count; i++) values[i] = view.getFloat32(4 * i, true);
  } else if (dtype === FLOAT16) {
    for (let i = 0; i < count; i++) values[i] = float16(view.getUint16(2 * i, true));
  } else {
    const maps = shape[0] ?? 1;
    const size = maps ? count / maps : 0;
    for (let map = 0; map < maps; map++) {
      const scale = view.getFloat32(4 * map, true);
      const offset = view.getFloat32(4 * (maps + map), true);
      for (let i = 0; i < size; i++) {
        const code = content[8 * maps + map * size + i]!;
        values[map * size + i] = code === NAN_CODE ? NaN : offset + scale * code;
      }
    }
  }
  return values;
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}
