// The view: everything that a reload or a shared link brings back.
import { SHOWN_MODES } from "../matrix/matrix_values";
import { COLOR_MAPS } from "../pixels/color";
import { UNITS } from "../words/units";
import { type Field, choice, count, flag, integer, positive, region, text, zoom } from "./fields";

/** "compared" is offered while comparing, and then the default. "sample" and "compared" hold over the steps. */
export const RANGE_MODES = ["sample", "step", "map", "compared", "fixed"] as const;
export type RangeMode = (typeof RANGE_MODES)[number];
export const RANGE_NAMES: Record<RangeMode, string> = {
  sample: "all steps",
  step: "this step only",
  map: "this map only",
  compared: "both, all steps",
  fixed: "fixed",
};

export const COMPARE_MODES = ["single", "side", "swipe", "blink", "difference"] as const;
export type CompareMode = (typeof COMPARE_MODES)[number];

export function rangesFor(compare: CompareMode): RangeMode[] {
  return RANGE_MODES.filter((mode) => mode !== "compared" || compare !== "single");
}

/** Shown to others: the answer word by word, or the selected word over the steps. */
export const TALK_MODES = ["off", "answer", "steps"] as const;
export type TalkMode = (typeof TALK_MODES)[number];

export const COMBINATIONS = ["mean", "sum", "max"] as const;
/** How the maps of a span of tokens become one. */
export type Combination = (typeof COMBINATIONS)[number];

/** In place of a scale's factor, which is stable when scales are added. */
export const AGGREGATE = "msea";
/** Likewise of the map of what was used. */
export const USED = "used";

/** A line here is all that a new field takes. */
const FIELDS = {
  run: text("run"),
  tag: text("tag"),
  step: integer("step"),
  compare: choice("compare", COMPARE_MODES, "single"),
  /** B's run and step; A's run, and the step before A's, where empty. */
  otherRun: text("brun"),
  otherStep: integer("bstep"),
  token: integer("token"),
  /** What is read and selected as one. */
  unit: choice("unit", UNITS, "words"),
  /** How many units after that of `token` are selected with it. */
  more: count("more"),
  combine: choice("combine", COMBINATIONS, "mean"),
  /** The selected token's text, to find it again in another step's answer. */
  word: text("word"),
  layer: text("layer", AGGREGATE),
  colors: choice("colors", COLOR_MAPS, "inferno"),
  range: choice("range", RANGE_MODES, "sample"),
  /** Upper end of the fixed range, in the map's unit. */
  fixedMax: positive("max", 10),
  /** Of the heatmap's strongest cell, 0 to 1. */
  opacity: positive("opacity", 0.85, 1),
  smooth: flag("smooth"),
  grey: flag("grey", true),
  /** What the selected words name is drawn on the image, where masks were logged. */
  outline: flag("outline"),
  matrix: choice("matrix", SHOWN_MODES, "influence"),
  template: flag("template"),
  zoom: zoom("zoom"),
  /** Words are ranked by what they read from here. */
  region: region("region"),
  /** Which of the sample's images. */
  image: count("image"),
  /** Which of the explanation's alternatives is shown instead of the selected tokens (`alternativeKey`). */
  alternative: text("beside"),
  /** The pinned context token. */
  context: integer("context"),
  /** The table of samples is open. */
  samples: flag("samples"),
  /** The selected token over all steps is shown. */
  film: flag("film"),
  /** The selected token over all runs and steps is shown. */
  grid: flag("grid"),
  talk: choice("talk", TALK_MODES, "off"),
  /** What the selected word rests on through the thought is shown, where there is one. */
  thought: flag("thought"),
};

export type ViewState = { [Key in keyof typeof FIELDS]: (typeof FIELDS)[Key]["initial"] };

const fields = Object.entries(FIELDS) as [keyof ViewState, Field<unknown>][];
export const PARAMETER_NAMES = fields.map(([, { name }]) => name);
export const INITIAL_VIEW = Object.fromEntries(fields.map(([key, { initial }]) => [key, initial])) as ViewState;

/** Only what differs from the initial view, so that links stay short. */
export function toParameters(view: ViewState): Record<string, string> {
  const initial = { ...INITIAL_VIEW, range: usualRange(view.compare) };
  const texts = fields.map(([key, { name, write }]) => [name, write(view[key]), write(initial[key])] as const);
  return Object.fromEntries(texts.filter(([, written, usual]) => written !== usual));
}

/** Anything unreadable falls back to the initial view's value. */
export function fromParameters(parameters: Record<string, string>): ViewState {
  const values = fields.map(([key, { name, initial, read }]) => [key, read(parameters[name] ?? "") ?? initial]);
  const view = Object.fromEntries(values) as ViewState;
  const said = rangesFor(view.compare).find((mode) => mode === parameters.range);
  return { ...view, range: said ?? usualRange(view.compare) };
}

/** What is compared is drawn in one range, unless the reader has chosen another. */
function usualRange(compare: CompareMode): RangeMode {
  return compare === "single" ? "sample" : "compared";
}
