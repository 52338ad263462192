// Header and blobs to an Explanation. A blob that fails is named in its layer's `damage`, so that
// the rest can still be shown; a header that fails damages the whole.
import { DamagedError, LARGEST_BYTES, NewerVersionError, VERSION, declaredBytes, decodeArray, decodeJson } from "./blob";
import { answerLength } from "./explanation";
import { reason } from "./reason";
import type { Agreement, Candidate, ContextWord, Explanation, Layer, ObjectMask, Token, View, WordGroup } from "./explanation";

export interface Origin {
  run: string;
  tag: string;
  step: number;
}

const MOST_OBJECTS = 256;
const LARGEST_MASK_SIDE = 1024;

type Json = Record<string, unknown>;

export async function decodeExplanation(
  blobs: Uint8Array<ArrayBuffer>[],
  origin: Origin,
): Promise<Explanation> {
  const size = blobs.reduce((sum, blob) => sum + declaredBytes(blob), 0);
  if (size > 2 * LARGEST_BYTES) throw new DamagedError("too long");
  const [head, ...arrays] = blobs;
  if (!head) throw new DamagedError("no header");
  const header = object(await decodeJson(head));
  const version = whole(header.version);
  if (version > VERSION) throw new NewerVersionError(`written in wire version ${version}`);
  const { logged = {}, alternatives: entries = [], turns = [], image_gain, image_gains = [] } = header;
  // Where it was logged, if it says so: found elsewhere, damage has moved it.
  const { tag, step } = { ...origin, ...object(logged) };
  if (tag !== origin.tag || step !== origin.step) throw new DamagedError(`logged as ${text(tag)}, step ${whole(step)}`);
  const context = readTokens(header);
  const promptLength = whole(header.prompt_length, 0, context.length);
  const answer = context.length - promptLength;
  const vocabulary = object(header.vocabulary);
  object(header.model);
  const grounding = figures(header.grounding, answer);
  const candidates = list(header.candidates, context.length).map((leading) =>
    list(leading).map((entry) => readCandidate(entry, vocabulary)),
  );
  const alternatives = list(entries).map((entry) => {
    const known = object(entry);
    const { context: place, token, grounding = null } = known;
    figure(grounding);
    return {
      context: whole(place, 0, context.length),
      candidate: readCandidate(token, vocabulary),
      imageGain: "image_gain" in known ? figure(known.image_gain) : null,
    };
  });
  const hints = readHints(object(header.provenance));
  const views = readViews(header, answer, vocabulary, alternatives.length, hints.occlusion);
  const places = placesOf(header);
  if (places.includes("used,,0")) addUsed(header, views, answer);
  const { image, layers, alternative, used } = views[0]!;
  const explanation: Explanation = {
    ...origin,
    id: text(header.id),
    prompt: text(header.prompt),
    answer: text(header.answer),
    promptLength,
    context,
    views,
    image,
    layers,
    alternative,
    used,
    turns: list(turns).map(text),
    alternatives,
    words: readWords(header, promptLength, context.length),
    grounding,
    imageGain: image_gain === undefined ? null : figures(image_gain, answer),
    imageGains: list(image_gains).map((row) => figures(row, answer)),
    contextWords: readContextWords(header, context.length),
    objects: readObjects(header, answer),
    influence: null,
    alternativesInfluence: null,
    estimate: null,
    measuredDamage: null,
    candidates,
    metrics: readMetrics(header.metrics),
    ...hints,
    matrix: null,
    matrixDamage: null,
    bytes: 0,
  };
  await fill(explanation, places, "context_words" in header, arrays);
  explanation.bytes =
    layersOf(explanation).reduce((sum, layer) => sum + (layer.values?.byteLength ?? 0), 0) +
    [explanation.matrix, explanation.influence, explanation.alternativesInfluence, explanation.estimate].reduce(
      (sum, array) => sum + (array?.byteLength ?? 0),
      0,
    ) +
    4 * head.length;
  return explanation;
}

/** All arrays of maps, of all images. */
export function layersOf({ views }: Explanation): Layer[] {
  return views.flatMap(({ layers, alternative, used }) => [...layers, ...(alternative ? [alternative] : []), ...(used ? [used] : [])]);
}

/** Decode blobs 1.. into their places; of two of the same name the last is meant. */
async function fill(
  explanation: Explanation,
  places: string[],
  influence: boolean,
  blobs: Uint8Array<ArrayBuffer>[],
): Promise<void> {
  const tokens = answerLength(explanation);
  const decoded = async (name: string, ...shape: number[]): Promise<Float32Array<ArrayBuffer>> => {
    const bytes = blobs[places.lastIndexOf(name)];
    if (!bytes) throw new DamagedError("not in the record");
    return decodeArray(bytes, shape);
  };
  const work = explanation.views.flatMap(({ layers, alternative, used }, image) =>
    [...layers, alternative, used].map(async (layer, scale) => {
      if (!layer) return;
      const special = layer === used ? "used," : layer === alternative ? "alternatives," : null;
      const name = special ?? (layer.factor === null ? "heatmaps," : `maps,${scale}`);
      try {
        layer.values = await decoded(`${name},${image}`, layer.maxima.length, layer.rows, layer.cols);
        layer.maxima = maximaOf(layer.values, layer.maxima.length);
      } catch (error) {
        layer.damage = reason(error);
      }
    }),
  );
  try {
    explanation.matrix = await decoded("matrix,,", 3, tokens, explanation.context.length);
  } catch (error) {
    explanation.matrixDamage = reason(error);
  }
  const { contextWords, alternatives, context } = explanation;
  const words = contextWords!.length;
  try {
    if (influence) explanation.influence = await decoded("influence,,", tokens, words);
    if (alternatives.length && places.includes("alternatives_influence,,")) {
      explanation.alternativesInfluence = await decoded("alternatives_influence,,", alternatives.length, words);
    }
    if (places.includes("estimate,,")) explanation.estimate = await decoded("estimate,,", tokens, context.length);
  } catch (error) {
    explanation.measuredDamage = reason(error);
  }
  await Promise.all(work);
}

/** Each blob's name, scale and image, in order. */
function placesOf(header: Json): string[] {
  return list(header.blobs).map((entry) => {
    const place = object(entry);
    const parts = ["scale", "image"].map((part) => (part in place ? whole(place[part]) : null));
    return [text(place.name), ...parts].join();
  });
}

/** Which cells the words used, on the grids of scale 1. */
function addUsed(header: Json, views: View[], answer: number): void {
  const base = list(header.scales).map(object).find(({ factor }) => factor === 1)!;
  gridsOf(base).forEach((grid, i) => (views[i]!.used = { ...emptyLayer(null, grid, null, answer), used: true }));
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

/** Hints only, so that anything unreadable is none: where the library was called from, how it
 * explained, what was cut. */
function readHints({ logged_at, cut_from, settings, teacher_forced }: Json): Pick<Explanation, "loggedAt" | "cutFrom" | "occlusion" | "given"> {
  const { file, line } = (logged_at ?? {}) as Json;
  return {
    loggedAt: typeof file === "string" && Number.isInteger(line) ? { file, line: line as number } : null,
    occlusion: ((settings ?? {}) as Json).method === "occlusion",
    given: typeof teacher_forced === "boolean" ? teacher_forced : null,
    cutFrom: Number.isInteger(cut_from) ? (cut_from as number) : 0,
  };
}

function readTokens(header: Json): Token[] {
  const tokens = object(header.tokens);
  const texts = list(tokens.text);
  const { turn = texts.map(() => 0) } = tokens;
  const [ids, special, turns] = [tokens.id, tokens.special, turn, tokens.position].map((column) => wholes(column, texts.length));
  return texts.map((said, i) => ({
    text: text(said),
    id: ids![i]!,
    special: !!special![i],
    turn: turns![i]!,
  }));
}

function readWords({ words }: Json, promptLength: number, count: number): WordGroup[] | null {
  if (words === undefined) return null;
  const { first, text: texts } = object(words);
  const starts = wholes(first);
  const ascend = starts.every((start, g) => start < (starts[g + 1] ?? count));
  if (starts[0] !== 0 || !starts.includes(promptLength) || !ascend) wrong(first, "ascending tokens");
  return list(texts, starts.length).map((said, g) => ({ first: starts[g]!, text: text(said) }));
}

function readContextWords({ context_words }: Json, count: number): ContextWord[] {
  if (context_words === undefined) return [];
  const { first, count: counts, text: texts, how } = object(context_words);
  const starts = wholes(first);
  const lengths = wholes(counts, starts.length);
  const ways = list(how, starts.length).map(text);
  const words = list(texts, starts.length).map((said, w) => ({ first: starts[w]!, count: lengths[w]!, text: text(said), how: ways[w]! }));
  let end = 0;
  for (const word of words) {
    whole(word.first, end, count);
    end = word.first + whole(word.count, 1, count - word.first + 1);
  }
  return words;
}

function readObjects({ objects = [] }: Json, answer: number): ObjectMask[] {
  whole(list(objects).length, 0, MOST_OBJECTS + 1);
  return list(objects).map((entry) => {
    const known = object(entry);
    const [tokens, runs] = [wholes(known.tokens), wholes(known.runs)];
    const [height, width] = [known.height, known.width].map((side) => whole(side, 1, LARGEST_MASK_SIDE + 1));
    tokens.forEach((token, i) => whole(token, i ? tokens[i - 1]! + 1 : 0, answer));
    // Each within the rest, so that no sum is beyond what can be counted.
    const rest = runs.reduce((left, run, i) => left - whole(run, Math.min(i, 1), left + 1), height! * width!);
    if (!tokens.length || !runs.length || rest) wrong(runs, "tokens, and runs that cover the mask");
    return { name: text(known.name), tokens, height: height!, width: width!, runs };
  });
}

function readViews(header: Json, answer: number, vocabulary: Json, alternatives: number, occlusion?: boolean): View[] {
  const { image_grounding } = header;
  const grids = gridsOf(header);
  const entries = list(header.images);
  const images = entries.length ? list(entries, grids.length) : grids.map((_, picture) => ({ picture }));
  const shares = image_grounding === undefined ? [] : list(image_grounding, grids.length);
  const scales = list(header.scales).map(object);
  const factors = scales.map(({ factor }) => figure(factor) ?? 0);
  if (!factors.includes(1) || factors.some((factor, i) => factor <= (factors[i - 1] ?? 0))) {
    wrong(factors, "ascending factors with 1");
  }
  const sides = scales.map((scale) => gridsOf(scale, grids.length));
  const agreements = scales.map((scale) => readAgreement(scale, answer, vocabulary));
  return grids.map((grid, i) => {
    const { hash = null, width, height, picture = 0, frames = [], seconds = [] } = object(images[i]);
    const shown = [width, height].map((side) => whole(side ?? 0));
    return {
      image: hash === null || !text(hash) ? null : { hash: text(hash), width: shown[0]!, height: shown[1]! },
      // Occlusion has one scale, and its aggregate is the same map.
      layers: occlusion
        ? [emptyLayer(null, grid, agreements[factors.indexOf(1)]!, answer)]
        : [
            ...factors.map((factor, s) => emptyLayer(factor, sides[s]![i]!, agreements[s]!, answer)),
            emptyLayer(null, grid, null, answer),
          ],
      alternative: alternatives ? emptyLayer(null, grid, null, alternatives) : null,
      used: null,
      share: shares.length ? figures(shares[i], answer) : null,
      picture: whole(picture),
      seconds: figures(seconds, wholes(frames).length).map((at) => at ?? NaN),
    };
  });
}

function gridsOf(source: Json, count?: number): number[][] {
  const grids = list(source.grids, count);
  whole(grids.length, 1, 4097);
  return grids.map((grid) => list(grid, 2).map((side) => whole(side, 1)));
}

function readAgreement(scale: Json, answer: number, vocabulary: Json): Agreement {
  figures(scale.divergence, answer);
  return {
    probability: figures(scale.probability, answer),
    rank: wholes(scale.rank, answer),
    top: list(scale.top, answer).map((top) => readCandidate(top, vocabulary)),
  };
}

function emptyLayer(factor: number | null, [rows, cols]: number[], agreement: Agreement | null, maps: number): Layer {
  return {
    factor,
    rows: rows!,
    cols: cols!,
    values: null,
    maxima: new Float32Array(maps),
    agreement,
    damage: null,
  };
}

function readCandidate(entry: unknown, vocabulary: Json): Candidate {
  const [token, probability] = list(entry, 2);
  const id = whole(token);
  return { id, text: text(vocabulary[id]), probability: figure(probability) as number };
}

function readMetrics(value: unknown): Record<string, number> {
  const pairs = Object.entries(object(value)).filter((pair) => figure(pair[1]) !== null);
  return Object.fromEntries(pairs) as Record<string, number>;
}

function wrong(value: unknown, expected: string): never {
  throw new DamagedError(`header: expected ${expected}, got ${typeof value}`);
}

function object(value: unknown): Json {
  return value && typeof value === "object" && !Array.isArray(value) ? (value as Json) : wrong(value, "an object");
}

function list(value: unknown, length?: number): unknown[] {
  const entries = Array.isArray(value) ? (value as unknown[]) : wrong(value, "a list");
  return entries.length === (length ?? entries.length) ? entries : wrong(value, `${length} entries`);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : wrong(value, "text");
}

function whole(value: unknown, least = -Infinity, below = Infinity): number {
  const found = value as number;
  return Number.isSafeInteger(value) && found >= least && found < below ? found : wrong(value, "another integer");
}

/** Null is NaN. */
function figure(value: unknown): number | null {
  return value === null || typeof value === "number" ? value : wrong(value, "a number");
}

function wholes(value: unknown, length?: number): number[] {
  return list(value, length).map((entry) => whole(entry));
}

function figures(value: unknown, length: number): (number | null)[] {
  return list(value, length).map(figure);
}
