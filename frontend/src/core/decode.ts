// Header and blobs to an Explanation. A blob that fails is named in its layer's `damage`, so that
// the rest can still be shown; a header that fails damages the whole.
import { type Blob, DamagedError, VERSION, NewerVersionError, decodeBlob } from "./blob";
import type { Agreement, Candidate, Explanation, Layer, Token } from "./explanation";

export interface Origin {
  run: string;
  tag: string;
  step: number;
}

type Json = Record<string, unknown>;

export async function decodeExplanation(
  blobs: Uint8Array<ArrayBuffer>[],
  origin: Origin,
): Promise<Explanation> {
  const header = await decodeHeader(blobs[0]);
  const context = readTokens(header);
  const promptLength = count(header.prompt_length, "prompt_length");
  const answer = context.length - promptLength;
  if (answer < 1) throw new DamagedError("header: no answer tokens");
  const vocabulary = object(header.vocabulary ?? {}, "vocabulary");
  const grounding = listOf(header.grounding, answer, "grounding").map(numberOrNull);
  const candidates = listOf(header.candidates, context.length, "candidates").map((entries, j) =>
    list(entries, `candidates[${j}]`).flatMap((entry) => readCandidate(entry, vocabulary) ?? []),
  );
  const layers = readLayers(header, answer, vocabulary);
  const explanation: Explanation = {
    ...origin,
    id: String(header.id ?? ""),
    prompt: String(header.prompt ?? ""),
    answer: String(header.answer ?? ""),
    promptLength,
    context,
    image: readImage(header),
    layers,
    grounding,
    candidates,
    metrics: readMetrics(header.metrics),
    loggedAt: readPlace(header.provenance),
    matrix: null,
    matrixDamage: "not in the record",
    bytes: 0,
  };
  await fill(explanation, list(header.blobs, "blobs"), blobs.slice(1));
  explanation.bytes =
    layers.reduce((sum, layer) => sum + (layer.values?.byteLength ?? 0), 0) +
    (explanation.matrix?.byteLength ?? 0) +
    4 * (blobs[0]?.length ?? 0);
  return explanation;
}

async function decodeHeader(bytes: Uint8Array<ArrayBuffer> | undefined): Promise<Json> {
  if (!bytes) throw new DamagedError("header: missing");
  const blob = await decodeBlob(bytes).catch((error: unknown) => {
    if (error instanceof NewerVersionError) throw error;
    throw new DamagedError(`header: ${reason(error)}`);
  });
  const header = object(blob.kind === "json" ? blob.value : null, "header");
  if (Number(header.version) > VERSION) {
    throw new NewerVersionError(`written in wire version ${Number(header.version)}`);
  }
  return header;
}

/** Decode blobs 1.. into their places. Only the first image's maps are shown so far. */
async function fill(
  explanation: Explanation,
  names: unknown[],
  blobs: Uint8Array<ArrayBuffer>[],
): Promise<void> {
  const tokens = answerLengthOf(explanation);
  await Promise.all(
    names.map(async (entry, i) => {
      const place = object(entry, `blobs[${i}]`);
      if (Number(place.image ?? 0) !== 0) return;
      const layer = layerFor(explanation, place);
      const columns = explanation.context.length;
      const shape = layer ? [tokens, layer.rows, layer.cols] : [3, tokens, columns];
      if (!layer && place.name !== "matrix") return;
      try {
        const bytes = blobs[i];
        if (!bytes) throw new DamagedError("missing");
        const values = arrayOf(await decodeBlob(bytes), shape);
        if (layer) {
          layer.values = values;
          layer.maxima = maximaOf(values, tokens);
          layer.damage = null;
        } else {
          explanation.matrix = values;
          explanation.matrixDamage = null;
        }
      } catch (error) {
        if (layer) layer.damage = reason(error);
        else explanation.matrixDamage = reason(error);
      }
    }),
  );
}

function answerLengthOf(explanation: Explanation): number {
  return explanation.context.length - explanation.promptLength;
}

function layerFor(explanation: Explanation, place: Json): Layer | null {
  if (place.name === "maps") return explanation.layers[Number(place.scale)] ?? null;
  if (place.name === "heatmaps") return explanation.layers[explanation.layers.length - 1] ?? null;
  return null;
}

function arrayOf(blob: Blob, shape: number[]): Float32Array<ArrayBuffer> {
  if (blob.kind !== "array" || blob.shape.join() !== shape.join()) {
    const found = blob.kind === "array" ? blob.shape.join("×") : blob.kind;
    throw new DamagedError(`expected shape ${shape.join("×")}, got ${found}`);
  }
  return blob.values;
}

function maximaOf(values: Float32Array, maps: number): Float32Array<ArrayBuffer> {
  const size = values.length / maps;
  const maxima = new Float32Array(maps);
  for (let map = 0; map < maps; map++) {
    let largest = 0;
    for (let i = map * size; i < (map + 1) * size; i++) {
      if (values[i]! > largest) largest = values[i]!;
    }
    maxima[map] = largest;
  }
  return maxima;
}

/** Where the library was called from; a hint only, so that anything unreadable is none. */
function readPlace(provenance: unknown): Explanation["loggedAt"] {
  const place = (provenance as Json | undefined)?.logged_at as Json | null | undefined;
  return typeof place?.file === "string" && Number.isInteger(place.line)
    ? { file: place.file, line: Number(place.line) }
    : null;
}

function readTokens(header: Json): Token[] {
  const tokens = object(header.tokens, "tokens");
  const texts = list(tokens.text, "tokens.text");
  const ids = listOf(tokens.id, texts.length, "tokens.id");
  const special = listOf(tokens.special, texts.length, "tokens.special");
  return texts.map((text, i) => ({
    text: String(text),
    id: Number(ids[i]),
    special: Boolean(special[i]),
  }));
}

function readLayers(header: Json, answer: number, vocabulary: Json): Layer[] {
  const layers = list(header.scales, "scales").map((entry, i) => {
    const name = `scales[${i}]`;
    const scale = object(entry, name);
    const agreement: Agreement = {
      probability: listOf(scale.probability, answer, `${name}.probability`).map(numberOrNull),
      rank: listOf(scale.rank, answer, `${name}.rank`).map(Number),
      top: listOf(scale.top, answer, `${name}.top`).map((top) => readCandidate(top, vocabulary)),
    };
    return emptyLayer(Number(scale.factor), scale.grids, agreement, answer, `${name}.grids`);
  });
  layers.push(emptyLayer(null, header.grids, null, answer, "grids"));
  return layers;
}

function emptyLayer(
  factor: number | null,
  grids: unknown,
  agreement: Agreement | null,
  answer: number,
  name: string,
): Layer {
  const [rows, cols] = listOf(list(grids, name)[0], 2, name).map((size) => count(size, name));
  return {
    factor,
    rows: rows!,
    cols: cols!,
    values: null,
    maxima: new Float32Array(answer),
    agreement,
    damage: "not in the record",
  };
}

function readImage(header: Json): Explanation["image"] {
  const first = Array.isArray(header.images) ? header.images[0] : null;
  if (!first) return null;
  const image = object(first, "images[0]");
  return { hash: String(image.hash), width: Number(image.width), height: Number(image.height) };
}

function readCandidate(entry: unknown, vocabulary: Json): Candidate | null {
  if (!Array.isArray(entry) || entry.length < 2) return null;
  const [id, probability] = entry as [number, number];
  return { id, text: String(vocabulary[String(id)] ?? `#${id}`), probability };
}

function readMetrics(value: unknown): Record<string, number> {
  const pairs = Object.entries(object(value ?? {}, "metrics"));
  return Object.fromEntries(pairs.filter((pair): pair is [string, number] => typeof pair[1] === "number"));
}

function object(value: unknown, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DamagedError(`header: ${name} is not an object`);
  }
  return value as Json;
}

function list(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new DamagedError(`header: ${name} is not a list`);
  return value;
}

function listOf(value: unknown, length: number, name: string): unknown[] {
  const entries = list(value, name);
  if (entries.length !== length) {
    throw new DamagedError(`header: ${name} has ${entries.length} entries, expected ${length}`);
  }
  return entries;
}

function count(value: unknown, name: string): number {
  if (!Number.isInteger(value) || Number(value) < 0) {
    throw new DamagedError(`header: ${name} is not a count`);
  }
  return Number(value);
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
