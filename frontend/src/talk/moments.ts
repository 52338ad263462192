// What a talk goes through: the words of an answer, or one word at every checkpoint.
import { type Explanation, type ObjectMask, answerToken, seenAt, shownLayers } from "../data/explanation";
import { type Heatmap, largest, spanMap } from "../pixels/heatmap";
import { LEAST_USED, rangeOf } from "../pixels/range";
import { namedBy, unitOf } from "../pixels/stage_picture";
import type { PanelModel } from "../view/model";
import { keepToken, layerIndex, layerName, tokensAt } from "../view/selection";
import type { TalkMode, ViewState } from "../view/state";
import { stepText } from "../view/text";
import { insteadOf, ownAgreement, probabilityOf } from "../words/figures";
import { answerUnits, tokensOf, unitAt, unitsText } from "../words/units";

export interface Moment {
  /** What to select to be there. */
  place: { token: number } | { step: number };
  /** The word. */
  head: string;
  /** Where this is: "word 4 of 19", "step 3,450". */
  where: string;
  /** What the model would have said; empty where it is the word itself. */
  instead: string;
  /** NaN where it is not known. */
  probability: number;
  /** On the curve, 0 to 1. */
  at: number;
  explanation: Explanation;
  tokens: number[];
}

export interface Talk {
  mode: Exclude<TalkMode, "off">;
  moments: Moment[];
  /** Which of them is in view. */
  now: number;
  /** The end of the colours, the same at every moment. */
  high: number;
  unit: string;
  bitmap: ImageBitmap | null;
  view: ViewState;
  /** Steps that are still on their way. */
  coming: number;
}

type Source = Pick<PanelModel, "view" | "explanation" | "side" | "image" | "filmSteps" | "film">;

/** Null while there is nothing to show. */
export function talkOf(model: Source, mode: Talk["mode"], film = mode === "steps" ? model.film() : []): Talk | null {
  const { view, explanation, side, image } = model;
  if (!explanation || !side) return null;
  const seen = seenAt(explanation, view.image);
  const known = film.filter((entry) => entry) as Explanation[];
  const moments = mode === "answer" ? ofAnswer(seen, view) : ofSteps(film, model.filmSteps, view);
  const fixed = view.range === "fixed" ? view.fixedMax : 0;
  const layer = shownLayers(seen)[layerIndex(view, seen)]!;
  const high = mode === "answer" ? rangeOf(seen, layer, null, { range: "sample", fixedMax: 0 }, side.held).high : highest(known, view);
  return {
    mode,
    moments,
    now: mode === "answer" ? nowOf(moments, seen, view) : Math.max(0, moments.findIndex(({ explanation: { step } }) => step === view.step)),
    high: fixed || Math.max(high, layer.used ? LEAST_USED : 0),
    unit: unitOf(seen, layer),
    bitmap: image.bitmap,
    view,
    coming: film.filter((entry) => entry === null).length,
  };
}

function ofAnswer(explanation: Explanation, view: ViewState): Moment[] {
  const units = answerUnits(explanation, view.unit).filter(({ first }) => view.template || !answerToken(explanation, first)!.special);
  return units.map((unit, i) => ({
    ...momentOf(explanation, tokensOf(unit), view),
    place: { token: unit.first },
    where: `${view.unit === "words" ? "word" : "token"} ${i + 1} of ${units.length}`,
    at: i / Math.max(1, units.length - 1),
  }));
}

/** A step that is damaged, or on its way, is none to show. */
function ofSteps(film: readonly (Explanation | null | undefined)[], steps: readonly number[], view: ViewState): Moment[] {
  const [first, last] = [steps[0]!, steps.at(-1)!];
  return film.flatMap((explanation, i) => {
    if (!explanation) return [];
    const step = steps[i]!;
    const there = !view.word || answerToken(explanation, keepToken(view, explanation))?.text === view.word;
    const moment = momentOf(explanation, there ? tokensAt(view, explanation) : [], view);
    return {
      ...moment,
      place: { step },
      head: there ? moment.head : view.word.trim(),
      where: `step ${stepText(step)}${there ? "" : " · not in this answer"}`,
      at: last > first ? (step - first) / (last - first) : 0,
    };
  });
}

function momentOf(explanation: Explanation, tokens: number[], view: ViewState): Omit<Moment, "place" | "where" | "at"> {
  const agreement = ownAgreement(explanation);
  const probability = tokens.length && agreement ? probabilityOf(agreement, tokens) : null;
  return {
    head: unitsText(explanation, tokens, view.unit),
    instead: tokens.length ? (insteadOf(explanation, tokens)?.text.trim() ?? "") : "",
    probability: probability ?? NaN,
    explanation,
    tokens,
  };
}

function nowOf(moments: Moment[], explanation: Explanation, view: ViewState): number {
  const { first } = answerUnits(explanation, view.unit)[unitAt(explanation, view.unit, view.token ?? 0)]!;
  return Math.max(0, moments.findIndex(({ place }) => "token" in place && place.token === first));
}

/** Null where this step lacks the scale in view: another in its place would be compared unawares. */
export function mapAt({ explanation, tokens }: Moment, view: ViewState): Heatmap | null {
  const layer = shownLayers(explanation)[layerIndex(view, explanation)]!;
  return layerName(layer) === view.layer ? spanMap(layer, tokens, view.combine) : null;
}

export function objectsAt({ explanation, tokens }: Moment): ObjectMask[] {
  return namedBy(explanation, tokens) ?? [];
}

/** Of the word at any step. */
function highest(film: Explanation[], view: ViewState): number {
  const peaks = film.map((explanation) => {
    const map = spanMap(shownLayers(explanation)[layerIndex(view, explanation)]!, tokensAt(view, explanation), view.combine);
    return map ? largest(map.values) : 0;
  });
  return Math.max(0, ...peaks);
}
