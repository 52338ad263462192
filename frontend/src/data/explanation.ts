// One explanation as the panel holds it: header plus typed arrays. Notation of the wire format:
// T answer tokens, P prompt tokens, C = P + T context tokens.

export interface Token {
  id: number;
  text: string;
  special: boolean;
  /** Index of its message in the conversation. */
  turn: number;
}

export interface Candidate {
  id: number;
  text: string;
  probability: number;
}

export interface ImageRef {
  hash: string;
  width: number;
  height: number;
}

/** How far one scale's prediction agrees with the answer, per answer token. */
export interface Agreement {
  probability: (number | null)[];
  /** 0 is the top. */
  rank: number[];
  top: (Candidate | null)[];
}

/** The maps of one scale, or of the aggregate over all scales. */
export interface Layer {
  /** The scale's factor; null for the aggregate. */
  factor: number | null;
  rows: number;
  cols: number;
  /** (T, rows, cols); null when its blob is damaged or missing. */
  values: Float32Array<ArrayBuffer> | null;
  /** Largest finite value per answer token. */
  maxima: Float32Array<ArrayBuffer>;
  agreement: Agreement | null;
  damage: string | null;
  /** Nats that are lost without each part, whatever made the other maps. */
  used?: boolean;
}

/** What has maps of its own: an image, or the frames that one patch of a video covers. */
export interface View {
  image: ImageRef | null;
  /** Ascending factor, the aggregate last. */
  layers: Layer[];
  /** The aggregate of what is explained beside the answer; null without any. */
  alternative: Layer | null;
  /** Nats that the later text loses without each part, per answer token; null where not measured. */
  used?: Layer | null;
  /** Per answer token, how much of its activation falls here; null where there is no other image. */
  share: (number | null)[] | null;
  /** Index among the sample's images and videos. */
  picture: number;
  /** When its frames are shown; empty for an image. */
  seconds: number[];
}

/** A word that was not said in a token's place; or, with the token's own id, a word of the prompt. */
export interface Alternative {
  context: number;
  candidate: Candidate;
  /** Nats that the image adds to what was said over this; null where it was not measured. */
  imageGain?: number | null;
}

/** Where what some words of the answer name is in the picture. */
export interface ObjectMask {
  name: string;
  /** Ascending, of the answer. */
  tokens: number[];
  height: number;
  width: number;
  /** Cells in a row, line by line: outside, inside, outside .. */
  runs: number[];
}

/** A word of the context and how it was taken away: "hidden", "replaced", or "unmeasured". */
export interface ContextWord {
  /** Its first token's index among the context tokens, and how many it has. */
  first: number;
  count: number;
  text: string;
  how: string;
}

/** Adjacent context tokens that make a word, or stand between words, up to the next one's first. */
export interface WordGroup {
  first: number;
  /** What its tokens spell together, the blank before them kept. */
  text: string;
}

export const MATRIX_MODES = ["relevance", "activation", "weight"] as const;
export type MatrixMode = (typeof MATRIX_MODES)[number];

export interface Explanation {
  run: string;
  tag: string;
  step: number;
  id: string;
  prompt: string;
  answer: string;
  promptLength: number;
  /** C tokens: the prompt's, then the answer's. */
  context: Token[];
  /** One per image; the fields below are those of the one in view. */
  views: View[];
  image: ImageRef | null;
  layers: Layer[];
  alternative: Layer | null;
  used?: Layer | null;
  /** The role of each message, the answer's last. */
  turns: string[];
  alternatives: Alternative[];
  /** All context tokens in groups; null in logs of earlier versions. */
  words: WordGroup[] | null;
  /** (T,), null where unknown. */
  grounding: (number | null)[];
  /** (T,) nats that the image adds to each token; null where it was not measured. */
  imageGain?: (number | null)[] | null;
  /** Per picture, with it alone exchanged; empty where there is one. */
  imageGains?: (number | null)[][];
  /** What `influence` is about; empty where it was not measured. */
  contextWords?: ContextWord[];
  /** (T, W) nats: log p less what it is without the word; NaN where the word comes later or was not measured. */
  influence?: Float32Array<ArrayBuffer> | null;
  /** (E, W) nats, of what was said over each alternative. */
  alternativesInfluence?: Float32Array<ArrayBuffer> | null;
  /** In a copy that shows reasons: the influence in this token's row is on what was said over this text. */
  instead?: { token: number; text: string };
  /** (T, C): what one pass tells of each context token's influence. */
  estimate?: Float32Array<ArrayBuffer> | null;
  /** Why one of the three above cannot be shown. */
  measuredDamage?: string | null;
  /** What metrics of maps are measured on; empty where no masks were logged. */
  objects?: ObjectMask[];
  /** Per context token, best first. */
  candidates: Candidate[][];
  metrics: Record<string, number>;
  /** The user's own line that explained this; null where unknown. */
  loggedAt: { file: string; line: number } | null;
  /** The answer was given, and not the model's own; null where unknown. */
  given?: boolean | null;
  /** Its maps are what is lost without a part, and not a lens's. */
  occlusion?: boolean;
  /** How many tokens the answer had, where only the first were logged. */
  cutFrom?: number;
  /** (3, T, C) in the order of MATRIX_MODES; NaN where j is not context of t. */
  matrix: Float32Array<ArrayBuffer> | null;
  matrixDamage: string | null;
  /** The matrix is A's minus B's: zero is its middle. */
  difference?: boolean;
  /** Bytes held in memory, for the cache's limit. */
  bytes: number;
}

export function answerLength(explanation: Explanation): number {
  return explanation.context.length - explanation.promptLength;
}

export function answerToken(explanation: Explanation, index: number): Token | undefined {
  return explanation.context[explanation.promptLength + index];
}

const seen = new WeakMap<Explanation, Explanation[]>();

/** The explanation as it is for one of its images; the same object each time. */
export function seenAt(explanation: Explanation, image: number): Explanation {
  const at = Math.min(image, explanation.views.length - 1);
  if (at < 1) return explanation;
  const known = seen.get(explanation) ?? [];
  seen.set(explanation, known);
  const { image: shown, layers, alternative, used } = explanation.views[at]!;
  return (known[at] ??= { ...explanation, image: shown, layers, alternative, used });
}

/** All that can be shown of its words: the maps of its scales, their aggregate, and what was used. */
export function shownLayers({ layers, used }: Explanation): Layer[] {
  return used ? [...layers, used] : layers;
}

/** One token's map of a layer, without copying. */
export function mapOf(layer: Layer, token: number): Float32Array<ArrayBuffer> | null {
  const size = layer.rows * layer.cols;
  if (!layer.values || token < 0 || (token + 1) * size > layer.values.length) return null;
  return layer.values.subarray(token * size, (token + 1) * size);
}

/** One cell of the relevance matrix; NaN where there is none. */
export function matrixValue(
  explanation: Explanation,
  mode: MatrixMode,
  row: number,
  column: number,
): number {
  const columns = explanation.context.length;
  const offset = MATRIX_MODES.indexOf(mode) * answerLength(explanation) * columns;
  return explanation.matrix?.[offset + row * columns + column] ?? NaN;
}

/** Column j is context of row t: the prompt and the answer before t. */
export function isContext(explanation: Explanation, row: number, column: number): boolean {
  return column < explanation.promptLength + row;
}
