// What is on screen as a figure of its own: one checkpoint, two beside each other, two on either side of a
// curtain, or their difference; with names, answers, figures and legend.
import { cssColor } from "../pixels/color";
import { drawMap, drawPicture, drawRegion } from "../pixels/draw_map";
import type { Rect, Size } from "../pixels/geometry";
import { drawOutline } from "../pixels/outline";
import { pictureInView } from "../pixels/alternative_picture";
import { differenceOf } from "../pixels/difference_picture";
import { type Side, type StagePicture, pictureOf } from "../pixels/stage_picture";
import { imageRect } from "../pixels/zoom";
import type { PanelModel } from "../view/model";
import { RANGE_NAMES, type ViewState } from "../view/state";
import { sampleName, startsWord, stepText, valueText } from "../view/text";
import { changeText, clausesOf } from "../words/sentence";
import { answerUnits, rowText, tokensOf, unitsText } from "../words/units";
import { type Mark, type Measure, type Run, type Scene, type Style, about, flow, readsFromRight, runsOf } from "./scene";

const WIDTH = 960;
const MARGIN = 28;
const GAP = 20;
/** Beside a picture of no more than this width by height the words have room. */
const TALL = 1.6;
/** Of a picture with words beside it; and in any case. */
const WIDEST = 620;
const TALLEST = 460;
const PROMPT_LINES = 2;
const ANSWER_LINES = 6;
/** Of the pictures within, per CSS pixel. */
const RATIO = 2;

export interface Inks {
  background: string;
  text: string;
  muted: string;
  soft: string;
  sideA: string;
  sideB: string;
  onSide: string;
  hatch: string;
}
export const LIGHT: Inks = { background: "#ffffff", text: "#1f2328", muted: "#5c636b", soft: "#dbe7fb", sideA: "#1a66d6", sideB: "#c2185b", onSide: "#ffffff", hatch: "rgb(0 0 0 / 0.35)" };
export const DARK: Inks = { background: "#1e1f22", text: "#e6e8ea", muted: "#a3a9b1", soft: "#33445f", sideA: "#8ab4f8", sideB: "#f48fb1", onSide: "#17181a", hatch: "rgb(255 255 255 / 0.4)" };

/** What is compared, and how: what a figure is made of. */
export interface Shown {
  view: ViewState;
  a: Side;
  b: Side | null;
  /** Where A ends and B begins, 0 to 1. */
  curtain: number;
}

export function shownBy({ view, side, otherSide }: Pick<PanelModel, "view" | "side" | "otherSide">, curtain: number): Shown | null {
  return side && { view, a: side, b: view.compare === "single" ? null : otherSide, curtain };
}

/** "val_0_run_step-900_vs_other_step-300_swipe". */
export function fileName({ view, a, b }: Shown): string {
  const place = ({ explanation: { run, step } }: Side) => `${safe(run)}_step-${step}`;
  const how = view.compare === "blink" ? "side" : view.compare;
  return [safe(sampleName(view.tag)), place(a), ...(b ? ["vs", place(b), how] : [])].filter(Boolean).join("_");
}

/** A name that every system takes: the end of a long one tells more. */
function safe(name: string): string {
  return name.replace(/[^\p{L}\p{N}.=-]+/gu, "_").replace(/^[_.]+|_+$/g, "").slice(-48);
}

export function figureOf(shown: Shown, inks: Inks, measure: Measure): Scene {
  const { view, a, b } = shown;
  const marks: Mark[] = [];
  const write = writer(marks, measure, inks);
  const room = WIDTH - 2 * MARGIN;
  let y = MARGIN;
  y = write.text(runsOf(sampleName(view.tag), write.style(19, 600)), { x: MARGIN, y, width: room }, 1);
  y = write.text(runsOf(a.explanation.prompt, write.style(14, 400, inks.muted)), { x: MARGIN, y, width: room }, PROMPT_LINES) + 12;

  const stages = stagesOf(shown);
  const alternative = b && stages.length > 1;
  const { width, height } = stages[0]!.picture.size;
  const tall = !alternative && width / height < TALL;
  const widest = alternative ? (room - GAP) / 2 : tall ? WIDEST : room;
  const stage = fitted({ width, height }, { width: widest, height: TALLEST });
  // Where the words stand beside it they need room, too.
  const columns = tall ? [MARGIN + stage.width + GAP] : stages.map((_, i) => MARGIN + i * (widest + GAP));
  const sides = b ? [a, b] : [a];
  const letters = b ? (["A", "B"] as const) : ([""] as const);

  if (!tall) {
    stages.forEach((_, i) => {
      if (alternative) write.badge(sides[i]!, letters[i]!, { x: columns[i]!, y, width: widest });
    });
    if (!alternative) sides.forEach((side, i) => write.badge(side, letters[i]!, { x: MARGIN + i * ((room + GAP) / 2), y, width: room / sides.length - GAP }));
    y += 32;
  }
  const top = y;
  stages.forEach(({ picture, layers }, i) => {
    const rect = { x: MARGIN + (alternative ? i * (widest + GAP) : 0), y: top, ...stage };
    marks.push({ kind: "raster", rect, canvas: raster(layers, stage, view, inks) });
    if (layers.length > 1) write.curtain(rect, shown.curtain);
    y = write.text(runsOf(picture.caption, write.style(13, 400, inks.muted)), { x: rect.x, y: top + stage.height + 8, width: alternative ? widest : stage.width }, 2);
  });
  y = write.legend(stages[0]!.picture, view, b !== null, { x: MARGIN, y: y + 6, width: tall ? stage.width : room });

  let end = y;
  let under = tall ? top : y + 14;
  sides.forEach((side, i) => {
    const wide = tall ? WIDTH - MARGIN - columns[0]! : (room - GAP) / 2;
    const place = { x: tall ? columns[0]! : MARGIN + i * (wide + GAP), y: under, width: !tall && !b ? room : wide };
    if (tall) place.y = write.badge(side, letters[i]!, place) + 8;
    place.y = write.answer(side, view, place) + 6;
    place.y = write.text(runsOf(saidOf(side, view), write.style(13, 400, inks.muted)), place, 8);
    if (i) place.y = write.text(runsOf(`Against A: ${changeText(a, side, view)}.`, write.style(13, 400, inks.text)), { ...place, y: place.y + 4 }, 5);
    if (tall) under = place.y + 20;
    end = Math.max(end, place.y);
  });
  return { size: { width: WIDTH, height: Math.ceil(end + MARGIN - 6) }, background: inks.background, marks };
}

/** What one picture is made of: those on top of each other share it from left to right. */
interface Stage {
  picture: StagePicture;
  layers: { picture: StagePicture; from: number }[];
}

function stagesOf({ view, a, b, curtain }: Shown): Stage[] {
  const one = (picture: StagePicture): Stage => ({ picture, layers: [{ picture, from: 0 }] });
  if (!b) return [one(pictureInView(a, view))];
  if (view.compare === "difference") return [one(differenceOf(a, b, view))];
  const [first, second] = [pictureOf(a, view, b), pictureOf(b, view, a)];
  if (view.compare !== "swipe") return [one(first), one(second)];
  return [{ picture: first, layers: [{ picture: first, from: 0 }, { picture: second, from: curtain }] }];
}

function fitted({ width, height }: Size, room: Size): Size {
  const by = Math.min(room.width / width, room.height / height);
  return { width: Math.round(width * by), height: Math.round(height * by) };
}

/** As on the stage: zoomed to the same place, in the same colours. */
function raster(layers: Stage["layers"], size: Size, view: ViewState, inks: Inks): OffscreenCanvas {
  const canvas = new OffscreenCanvas(size.width * RATIO, size.height * RATIO);
  // The drawing functions use what both kinds of context share.
  const context = canvas.getContext("2d") as unknown as CanvasRenderingContext2D;
  context.scale(RATIO, RATIO);
  for (const { picture, from } of layers) {
    context.save();
    context.beginPath();
    context.rect(from * size.width, 0, size.width, size.height);
    context.clip();
    const rect = imageRect(size, picture.size, view.zoom);
    const { image, map, range, colors } = picture;
    context.fillStyle = inks.soft;
    context.fillRect(0, 0, size.width, size.height);
    if (image.bitmap) drawPicture(context, image.bitmap, rect, view.grey || range.low < 0);
    if (map) drawMap(context, map, rect, { range, colors, opacity: view.opacity, smooth: view.smooth, hatch: inks.hatch });
    for (const mask of view.outline ? (picture.objects ?? []) : []) drawOutline(context, mask, rect, { line: 1.8, font: 13, room: { x: 4, y: 4, width: size.width - 8, height: size.height - 8 } });
    if (view.region) drawRegion(context, view.region, rect);
    context.restore();
  }
  return canvas;
}

/** The selected words and what was measured of them. */
function saidOf(side: Side, view: ViewState): string {
  const { explanation, tokens } = side;
  if (!tokens.length) return "Has no such word.";
  return `“${unitsText(explanation, tokens, view.unit)}”: ${clausesOf(side, view).map(({ text }) => text).join("; ")}.`;
}

/** The answer's words, the selected ones with something behind them. */
function answerRuns({ explanation, tokens }: Side, view: ViewState, plain: Style, fill: string): Run[] {
  const { context, promptLength } = explanation;
  const spaced = context.some((token) => startsWord(token.text));
  return answerUnits(explanation, view.unit).flatMap((group) => {
    const token = context[promptLength + group.first]!;
    if (token.special && !view.template) return [];
    const chosen = tokensOf(group).some((t) => tokens.includes(t));
    const style: Style = chosen ? { ...plain, weight: 600 } : plain;
    return [{ text: rowText(explanation, group), style, spaced: !spaced || startsWord(group.name ?? token.text), ...(chosen && { fill }) }];
  });
}

interface Place {
  x: number;
  /** Its upper end. */
  y: number;
  width: number;
}

/** Each adds marks, and returns where the next may begin. */
function writer(marks: Mark[], measure: Measure, inks: Inks) {
  const style = (size: number, weight: Style["weight"], ink = inks.text): Style => ({ size, weight, ink });

  function text(runs: Run[], { x, y, width }: Place, most: number, fromRight = false): number {
    const height = (runs[0]?.style.size ?? 0) * 1.45;
    const lines = about(flow(runs, width, measure), most);
    lines.forEach((line, i) => {
      const baseline = y + (i + 0.74) * height;
      for (const run of line) {
        const left = x + (fromRight ? width - run.x - run.width : run.x);
        if (run.fill) marks.push({ kind: "box", rect: { x: left - 3, y: baseline - run.style.size * 1.02, width: run.width + 6, height: run.style.size * 1.36 }, fill: run.fill, radius: 5 });
        marks.push({ kind: "text", x: left, y: baseline, width: measure(run.text, run.style), text: run.text, style: run.style });
      }
    });
    return y + lines.length * height;
  }

  function badge({ explanation: { run, step } }: Side, letter: "" | "A" | "B", { x, y, width }: Place): number {
    const fill = letter === "B" ? inks.sideB : letter ? inks.sideA : inks.soft;
    const ink = style(13, 600, letter ? inks.onSide : inks.text);
    let words = [letter, run, `step ${stepText(step)}`].filter(Boolean).join(" · ");
    // The end of a run's name tells more.
    for (let name = run; measure(words, ink) > width - 20 && name.length > 1; ) {
      name = name.slice(1);
      words = [letter, `…${name}`, `step ${stepText(step)}`].filter(Boolean).join(" · ");
    }
    const wide = measure(words, ink);
    marks.push({ kind: "box", rect: { x, y, width: wide + 20, height: 24 }, fill, radius: 12 });
    marks.push({ kind: "text", x: x + 10, y: y + 16.5, width: wide, text: words, style: ink });
    return y + 24;
  }

  function answer(side: Side, view: ViewState, place: Place): number {
    return text(answerRuns(side, view, style(17, 400), inks.soft), place, ANSWER_LINES, readsFromRight(side.explanation.answer));
  }

  function curtain({ x, y, width, height }: Rect, at: number): void {
    const line = (wide: number, fill: string): Mark => ({ kind: "box", rect: { x: x + at * width - wide / 2, y, width: wide, height }, fill, radius: 0 });
    marks.push(line(4, "rgb(0 0 0 / 0.5)"), line(2, "#ffffff"));
    const letter = (name: "A" | "B", left: number): void => {
      const ink = style(13, 600, inks.onSide);
      marks.push({ kind: "box", rect: { x: left, y: y + 10, width: 26, height: 24 }, fill: name === "A" ? inks.sideA : inks.sideB, radius: 12 });
      marks.push({ kind: "text", x: left + 13 - measure(name, ink) / 2, y: y + 26.5, width: measure(name, ink), text: name, style: ink });
    };
    if (at * width > 46) letter("A", x + 10);
    if ((1 - at) * width > 46) letter("B", x + width - 36);
  }

  /** The colours' scale with numbers and unit, and whose range it is. */
  function legend({ range: { low, high }, colors, unit }: StagePicture, { compare, range }: ViewState, compared: boolean, { x, y, width }: Place): number {
    const bar = Math.min(200, width / 3);
    const plain = style(13, 400, inks.muted);
    const signed = low < 0;
    const [first, last] = signed ? [`more in B −${valueText(-low)}`, `+${valueText(high)} more in A`] : ["0", valueText(high)];
    const own = compared && range !== "compared" && range !== "fixed" && compare !== "difference";
    const what = signed ? unit : `${unit} · range: ${own ? "A’s, " : ""}${RANGE_NAMES[range]}`;
    const wide = measure(first, plain);
    const put = (words: string, left: number, style = plain) => marks.push({ kind: "text", x: left, y: y + 12, width: measure(words, style), text: words, style });
    put(first, x);
    const stops = Array.from({ length: 17 }, (_, i) => cssColor(colors, i / 16).replace(" / 1)", ")"));
    marks.push({ kind: "gradient", rect: { x: x + wide + 8, y: y + 2, width: bar, height: 11 }, colors: stops });
    put(last, x + wide + bar + 16);
    const after = x + wide + bar + 16 + measure(last, plain) + 10;
    return text(runsOf(what, plain), after + measure(what, plain) > x + width ? { x, y: y + 18, width } : { x: after, y: y - 2, width: x + width - after }, 2) + 2;
  }

  return { style, text, badge, answer, curtain, legend };
}
