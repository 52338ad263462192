// The view: everything that a reload or a shared link brings back.
import { type Explanation, MATRIX_MODES, type MatrixMode, answerLength, answerToken, mapOf } from "../data/explanation";
import { COLOR_MAPS, type ColorMap } from "../pixels/color";

/** "compared" is offered while comparing, and then the default. */
export const RANGE_MODES = ["sample", "map", "compared", "fixed"] as const;
export type RangeMode = (typeof RANGE_MODES)[number];
export const RANGE_NAMES: Record<RangeMode, string> = {
  sample: "this sample",
  map: "this map",
  compared: "both compared",
  fixed: "fixed",
};

export const COMPARE_MODES = ["single", "side", "swipe", "blink", "difference"] as const;
export type CompareMode = (typeof COMPARE_MODES)[number];

export function rangesFor(compare: CompareMode): RangeMode[] {
  return RANGE_MODES.filter((mode) => mode !== "compared" || compare !== "single");
}

export const COMBINATIONS = ["mean", "sum"] as const;
/** How the maps of a span of tokens become one. */
export type Combination = (typeof COMBINATIONS)[number];

/** Part of the image, as shares of its width and height. */
export interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** "msea" for the aggregate, else the scale's factor as text: stable when scales are added. */
export type LayerName = string;
export const AGGREGATE: LayerName = "msea";

export interface Zoom {
  /** Magnification, 1 = whole image. */
  factor: number;
  /** The image point at the stage's centre, as shares of width and height. */
  x: number;
  y: number;
}

export interface ViewState {
  run: string;
  tag: string;
  step: number | null;
  compare: CompareMode;
  /** B's run and step; A's run, and the step before A's, where empty. */
  otherRun: string;
  otherStep: number | null;
  token: number | null;
  /** How many tokens after `token` are selected with it. */
  more: number;
  combine: Combination;
  /** The selected token's text, to find it again in another step's answer. */
  word: string;
  layer: LayerName;
  colors: ColorMap;
  range: RangeMode;
  /** Upper end of the fixed range, in logits. */
  fixedMax: number;
  /** Of the heatmap's strongest cell, 0 to 1. */
  opacity: number;
  smooth: boolean;
  grey: boolean;
  matrix: MatrixMode;
  template: boolean;
  zoom: Zoom;
  /** Words are ranked by what they read from here. */
  region: Region | null;
  /** Which of the sample's images. */
  image: number;
  /** Which of the explanation's alternatives is shown instead of the selected tokens (`besideKey`). */
  beside: string;
  /** The pinned context token. */
  context: number | null;
  /** The table of samples is open. */
  samples: boolean;
  /** The selected token over all steps is shown. */
  film: boolean;
}

export const INITIAL_VIEW: ViewState = {
  run: "",
  tag: "",
  step: null,
  compare: "single",
  otherRun: "",
  otherStep: null,
  token: null,
  more: 0,
  combine: "mean",
  word: "",
  layer: AGGREGATE,
  colors: "inferno",
  range: "sample",
  fixedMax: 10,
  opacity: 0.85,
  smooth: false,
  grey: true,
  matrix: "relevance",
  template: false,
  zoom: { factor: 1, x: 0.5, y: 0.5 },
  region: null,
  image: 0,
  beside: "",
  context: null,
  samples: false,
  film: false,
};

/** Only what differs from the initial view, so that links stay short. */
export function toParameters(view: ViewState): Record<string, string> {
  const all: Record<string, string> = {
    run: view.run,
    tag: view.tag,
    step: numberText(view.step),
    compare: view.compare,
    brun: view.otherRun,
    bstep: numberText(view.otherStep),
    token: numberText(view.token),
    more: String(view.more),
    combine: view.combine,
    word: view.word,
    layer: view.layer,
    colors: view.colors,
    range: view.range,
    max: String(view.fixedMax),
    opacity: String(view.opacity),
    smooth: flag(view.smooth),
    grey: flag(view.grey),
    matrix: view.matrix,
    template: flag(view.template),
    zoom: numbersText([view.zoom.factor, view.zoom.x, view.zoom.y]),
    region: view.region ? numbersText([view.region.left, view.region.top, view.region.right, view.region.bottom]) : "",
    image: String(view.image),
    beside: view.beside,
    context: numberText(view.context),
    samples: flag(view.samples),
    film: flag(view.film),
  };
  if (view === INITIAL_VIEW) return all;
  const initial = toParameters(INITIAL_VIEW);
  if (view.compare !== "single") initial.range = "compared";
  return Object.fromEntries(Object.entries(all).filter(([key, value]) => value !== initial[key]));
}

export const PARAMETER_NAMES = Object.keys(toParameters(INITIAL_VIEW));

/** Anything unreadable falls back to the initial view's value. */
export function fromParameters(parameters: Record<string, string>): ViewState {
  const start = INITIAL_VIEW;
  const compare = oneOf(COMPARE_MODES, parameters.compare, start.compare);
  const [factor, x, y] = numbers(parameters.zoom, 3);
  const zoomed = factor !== undefined && factor >= 1;
  const [left, top, right, bottom] = numbers(parameters.region, 4);
  const whole = left !== undefined && left < right! && top! < bottom!;
  return {
    run: parameters.run ?? "",
    tag: parameters.tag ?? "",
    step: integer(parameters.step),
    compare,
    otherRun: parameters.brun ?? "",
    otherStep: integer(parameters.bstep),
    token: integer(parameters.token),
    more: Math.max(0, integer(parameters.more) ?? 0),
    combine: oneOf(COMBINATIONS, parameters.combine, start.combine),
    word: parameters.word ?? "",
    layer: parameters.layer || start.layer,
    colors: oneOf(COLOR_MAPS, parameters.colors, start.colors),
    // What is compared is drawn in one range, unless the link says otherwise.
    range: oneOf(rangesFor(compare), parameters.range, compare === "single" ? start.range : "compared"),
    fixedMax: positive(parameters.max, start.fixedMax, Infinity),
    opacity: positive(parameters.opacity, start.opacity, 1),
    smooth: readFlag(parameters.smooth, start.smooth),
    grey: readFlag(parameters.grey, start.grey),
    matrix: oneOf(MATRIX_MODES, parameters.matrix, start.matrix),
    template: readFlag(parameters.template, start.template),
    zoom: zoomed ? { factor, x: x!, y: y! } : start.zoom,
    region: whole ? { left, top: top!, right: right!, bottom: bottom! } : null,
    image: Math.max(0, integer(parameters.image) ?? 0),
    beside: parameters.beside ?? "",
    context: integer(parameters.context),
    samples: readFlag(parameters.samples, start.samples),
    film: readFlag(parameters.film, start.film),
  };
}

/** The selected tokens, within the answer. */
export function selectedTokens(view: Pick<ViewState, "token" | "more">, explanation: Explanation): number[] {
  const first = view.token ?? 0;
  const last = Math.min(answerLength(explanation) - 1, first + view.more);
  return Array.from({ length: Math.max(1, last - first + 1) }, (_, i) => first + i);
}

/** The same tokens in another step's answer. */
export function tokensAt(view: ViewState, explanation: Explanation): number[] {
  return selectedTokens({ token: keepToken(view, explanation), more: view.more }, explanation);
}

/** The token to select in `explanation`: same index and word, else the nearest same word, else
 * the same index; on first sight the token that points most clearly. */
export function keepToken(view: ViewState, explanation: Explanation): number {
  const length = answerLength(explanation);
  if (view.token === null) return clearest(explanation);
  const index = Math.max(0, Math.min(view.token, length - 1));
  const same = (i: number) => answerToken(explanation, i)?.text === view.word;
  if (!view.word || same(index)) return index;
  for (let distance = 1; distance < length; distance++) {
    for (const i of [index - distance, index + distance]) if (i >= 0 && i < length && same(i)) return i;
  }
  return index;
}

/** The most grounded token whose map is not spread over the whole image. */
function clearest(explanation: Explanation): number {
  const aggregate = explanation.layers.at(-1)!;
  const scores = explanation.grounding.map((grounding, token) => {
    const values = mapOf(aggregate, token);
    if (!values || !grounding || answerToken(explanation, token)?.special) return 0;
    const peak = aggregate.maxima[token]!;
    const mean = values.reduce((sum, value) => sum + (value || 0), 0) / values.length;
    return grounding * (peak - mean);
  });
  return scores.indexOf(Math.max(...scores));
}

/** The layer named in the view, or the aggregate where this sample lacks that scale. */
export function layerIndex(view: Pick<ViewState, "layer">, explanation: Explanation): number {
  const found = explanation.layers.findIndex((layer) => layerName(layer.factor) === view.layer);
  return found < 0 ? explanation.layers.length - 1 : found;
}

export function layerName(factor: number | null): LayerName {
  return factor === null ? AGGREGATE : String(factor);
}

/** The step wanted if it was kept, else the nearest one; the last when none is wanted. */
export function nearestStep(steps: readonly number[], wanted: number | null): number | null {
  if (wanted === null) return steps.at(-1) ?? null;
  return steps.reduce<number | null>(
    (best, step) => (best === null || Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best),
    null,
  );
}

function numberText(value: number | null): string {
  return value === null ? "" : String(value);
}

function numbersText(values: number[]): string {
  return values.map((value) => String(+value.toFixed(4))).join(",");
}

/** Exactly so many finite numbers, else none. */
function numbers(text: string | undefined, count: number): number[] {
  const values = (text ?? "").split(",").map((part) => Number(part || NaN));
  return values.length === count && values.every(Number.isFinite) ? values : [];
}

function flag(value: boolean): string {
  return value ? "1" : "0";
}

function readFlag(text: string | undefined, fallback: boolean): boolean {
  return text === "1" ? true : text === "0" ? false : fallback;
}

function integer(text: string | undefined): number | null {
  const value = Number(text || NaN);
  return Number.isInteger(value) ? value : null;
}

function positive(text: string | undefined, fallback: number, largest: number): number {
  const value = Number(text || NaN);
  return value > 0 && value <= largest ? value : fallback;
}

function oneOf<Name extends string>(names: readonly Name[], text: string | undefined, fallback: Name): Name {
  return names.find((name) => name === text) ?? fallback;
}
