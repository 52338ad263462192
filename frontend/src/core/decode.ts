// Header and blobs to an Explanation. A blob that fails is named in its layer's `damage`, so that
// the rest can still be shown; a header that fails damages the whole.
import { type Blob, DamagedError, VERSION, NewerVersionError, decodeBlob } from "./blob";
import type { Agreement, Candidate, Explanation, Layer, Token, View } from "./explanation";

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
  // Where it was logged, if it says so: found elsewhere, damage has moved it.
  const { tag, step } = { ...origin, ...object(header.logged ?? {}, "logged") };
  if (tag !== origin.tag || step !== origin.step) throw new DamagedError(`logged as ${tag}, step ${step}`);
  const context = readTokens(header);
  const promptLength = count(header.prompt_length, "prompt_length");
  const answer = context.length - promptLength;
  if (answer < 1) throw new DamagedError("header: no answer tokens");
  const vocabulary = object(header.vocabulary ?? {}, "vocabulary");
  const grounding = listOf(header.grounding, answer, "grounding").map(numberOrNull);
  const candidates = listOf(header.candidates, context.length, "candidates").map((entries, j) =>
    list(entries, `candidates[${j}]`).flatMap((entry) => readCandidate(entry, vocabulary) ?? []),
  );
  const alternatives = list(header.alternatives ?? [], "alternatives").flatMap((entry, i) => {
    const { context: place, token } = object(entry, `alternatives[${i}]`);
    return { context: count(place, "context"), candidate: readCandidate(token, vocabulary) ?? { id: -1, text: "?", probability: NaN } };
  });
  const views = readViews(header, answer, vocabulary, alternatives.length);
  if (!views.length) throw new DamagedError("header: no grids");
  const { image, layers, beside } = views[0]!;
  const explanation: Explanation = {
    ...origin,
    id: String(header.id ?? ""),
    prompt: String(header.prompt ?? ""),
    answer: String(header.answer ?? ""),
    promptLength,
    context,
    views,
    image,
    layers,
    beside,
    turns: list(header.turns ?? [], "turns").map(String),
    alternatives,
    grounding,
    candidates,
    metrics: readMetrics(header.metrics),
    loggedAt: readPlace(header.provenance),
    cutFrom: Number((header.provenance as Json | undefined)?.cut_from) || 0,
    matrix: null,
    matrixDamage: "not in the record",
    bytes: 0,
  };
  await fill(explanation, list(header.blobs, "blobs"), blobs.slice(1));
  explanation.bytes =
    layersOf(explanation).reduce((sum, layer) => sum + (layer.values?.byteLength ?? 0), 0) +
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

/** All arrays of maps, of all images. */
export function layersOf({ views }: Explanation): Layer[] {
  return views.flatMap(({ layers, beside }) => (beside ? [...layers, beside] : layers));
}

/** Decode blobs 1.. into their places. */
async function fill(
  explanation: Explanation,
  names: unknown[],
  blobs: Uint8Array<ArrayBuffer>[],
): Promise<void> {
  const tokens = answerLengthOf(explanation);
  await Promise.all(
    names.map(async (entry, i) => {
      const place = object(entry, `blobs[${i}]`);
      const layer = layerFor(explanation, place);
      const columns = explanation.context.length;
      const maps = place.name === "alternatives" ? explanation.alternatives.length : tokens;
      const shape = layer ? [maps, layer.rows, layer.cols] : [3, tokens, columns];
      if (!layer && place.name !== "matrix") return;
      try {
        const bytes = blobs[i];
        if (!bytes) throw new DamagedError("missing");
        const values = arrayOf(await decodeBlob(bytes), shape);
        if (layer) {
          layer.values = values;
          layer.maxima = maximaOf(values, maps);
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
  const view = explanation.views[Number(place.image ?? 0)];
  if (place.name === "maps") return view?.layers[Number(place.scale)] ?? null;
  if (place.name === "heatmaps") return view?.layers.at(-1) ?? null;
  return (place.name === "alternatives" && view?.beside) || null;
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
  const turns = tokens.turn ? listOf(tokens.turn, texts.length, "tokens.turn") : [];
  return texts.map((text, i) => ({
    text: String(text),
    id: Number(ids[i]),
    special: Boolean(special[i]),
    turn: Number(turns[i] ?? 0),
  }));
}

function readViews(header: Json, answer: number, vocabulary: Json, alternatives: number): View[] {
  const images = list(header.images ?? [], "images");
  const shares = header.image_grounding as unknown[][] | undefined;
  return list(header.grids, "grids").map((grid, i) => {
    const entry = images[i] ? object(images[i], "images") : {};
    return {
      image: entry.hash ? { hash: String(entry.hash), width: Number(entry.width), height: Number(entry.height) } : null,
      layers: readLayers(header, i, answer, vocabulary),
      beside: alternatives ? emptyLayer(null, grid, null, alternatives, "grids") : null,
      share: shares ? listOf(shares[i], answer, "image_grounding").map(numberOrNull) : null,
      picture: Number(entry.picture ?? i),
      seconds: list(entry.seconds ?? [], "seconds").map(Number),
    };
  });
}

function readLayers(header: Json, image: number, answer: number, vocabulary: Json): Layer[] {
  const layers = list(header.scales, "scales").map((entry, i) => {
    const name = `scales[${i}]`;
    const scale = object(entry, name);
    const agreement: Agreement = {
      probability: listOf(scale.probability, answer, `${name}.probability`).map(numberOrNull),
      rank: listOf(scale.rank, answer, `${name}.rank`).map(Number),
      top: listOf(scale.top, answer, `${name}.top`).map((top) => readCandidate(top, vocabulary)),
    };
    return emptyLayer(Number(scale.factor), list(scale.grids, `${name}.grids`)[image], agreement, answer, `${name}.grids`);
  });
  layers.push(emptyLayer(null, list(header.grids, "grids")[image], null, answer, "grids"));
  return layers;
}

function emptyLayer(
  factor: number | null,
  grid: unknown,
  agreement: Agreement | null,
  maps: number,
  name: string,
): Layer {
  const [rows, cols] = listOf(grid, 2, name).map((size) => count(size, name));
  return {
    factor,
    rows: rows!,
    cols: cols!,
    values: null,
    maxima: new Float32Array(maps),
    agreement,
    damage: "not in the record",
  };
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
