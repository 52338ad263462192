// One moment of a talk, to be read from the last row: no text is smaller than a thirtieth of the height.
import { cssColor } from "../pixels/color";
import { drawMap, drawPicture } from "../pixels/draw_map";
import type { Point, Rect, Size } from "../pixels/geometry";
import { drawOutline } from "../pixels/outline";
import { imageRect } from "../pixels/zoom";
import { answerToken } from "../data/explanation";
import { probabilityText, startsWord, valueText } from "../view/text";
import { answerUnits, rowText } from "../words/units";
import { type Run, type Style, about, flow, readsFromRight } from "../figure/scene";
import { type Moment, type Talk, mapAt, objectsAt } from "./moments";

const INKS = { ground: "#101214", text: "#f1f3f4", muted: "#b4bac2", line: "#454a52", mark: "#f2a65a", onMark: "#14161a", hatch: "rgb(255 255 255 / 0.4)" };
const FAMILY = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

interface Layout {
  /** What all sizes are multiples of. */
  u: number;
  picture: Rect;
  /** The word, what is said of it, and the curve. */
  said: Rect;
  answer: Rect;
  lines: number;
  word: number;
  small: number;
}

export function layoutOf({ width, height }: Size): Layout {
  if (width > 1.15 * height) {
    const u = Math.min(width / 160, height / 90);
    const m = 5 * u;
    const answer = { x: m, y: height - m - 14 * u, width: width - 2 * m, height: 14 * u };
    const tall = answer.y - m - 4 * u;
    const picture = { x: m, y: m, width: 0.56 * (width - 2 * m), height: tall };
    const left = picture.x + picture.width + 6 * u;
    return { u, picture, said: { x: left, y: m, width: width - m - left, height: tall }, answer, lines: 2, word: 11 * u, small: 4 * u };
  }
  const u = Math.min(width / 60, height / 108);
  const m = 3 * u;
  const room = width - 2 * m;
  const answer = { x: m, y: height - m - 18 * u, width: room, height: 18 * u };
  const picture = { x: m, y: m, width: room, height: 0.36 * height };
  const top = picture.y + picture.height + 2 * u;
  return { u, picture, said: { x: m, y: top, width: room, height: answer.y - top - 3 * u }, answer, lines: 3, word: 8 * u, small: 3.6 * u };
}

export function drawTalk(context: CanvasRenderingContext2D, size: Size, talk: Talk, now = talk.now): void {
  const layout = layoutOf(size);
  const moment = talk.moments[now];
  context.fillStyle = INKS.ground;
  context.fillRect(0, 0, size.width, size.height);
  if (!moment) return;
  context.textAlign = "start";
  const under = drawPlace(context, layout, talk, moment);
  drawWords(context, layout, talk, now, under);
  drawAnswer(context, layout, talk, moment);
}

/** Returns where the picture lies. */
function drawPlace(context: CanvasRenderingContext2D, { picture, small }: Layout, talk: Talk, moment: Moment): Rect {
  const { bitmap, view, high } = talk;
  const map = mapAt(moment, view);
  const whole = bitmap ?? moment.explanation.image ?? { width: map?.cols ?? 1, height: map?.rows ?? 1 };
  const fitted = imageRect(picture, whole);
  const rect = { ...fitted, x: fitted.x + picture.x, y: fitted.y + picture.y };
  context.fillStyle = "#1c1f23";
  context.fillRect(rect.x, rect.y, rect.width, rect.height);
  if (bitmap) drawPicture(context, bitmap, rect, view.grey);
  if (map) drawMap(context, map, rect, { range: { low: 0, high }, colors: view.colors, opacity: view.opacity, smooth: view.smooth, hatch: INKS.hatch });
  if (view.outline) {
    const inner = { x: rect.x + small / 4, y: rect.y + small / 4, width: rect.width - small / 2, height: rect.height - small / 2 };
    for (const mask of objectsAt(moment)) drawOutline(context, mask, rect, { line: small / 10, font: small, room: inner });
  }
  return rect;
}

function drawWords(context: CanvasRenderingContext2D, { said, word, small, u }: Layout, talk: Talk, now: number, picture: Rect): void {
  const moment = talk.moments[now]!;
  const { x, width } = said;
  // Beside the picture, level with it.
  let y = picture.x + picture.width <= x ? Math.max(said.y, picture.y) : said.y;
  const put = (words: string, size: number, ink: string, weight = 400) => {
    context.font = `${weight} ${size}px ${FAMILY}`;
    const wide = context.measureText(words).width;
    const fitting = Math.max(small, Math.min(size, (size * width) / Math.max(1, wide)));
    context.font = `${weight} ${fitting}px ${FAMILY}`;
    context.fillStyle = ink;
    context.fillText(shortened(context, words, width), x, y + 0.8 * size);
    y += 1.22 * size;
  };
  put(moment.head, word, INKS.text, 600);
  put(moment.where, small, INKS.muted);
  put(moment.instead ? `would say “${moment.instead}”` : " ", small, INKS.mark);
  y += 1.5 * u;
  const legend = 1.3 * small;
  const bottom = said.y + said.height;
  const curve = { x, y: y + 1.5 * small, width, height: bottom - y - 1.5 * small - legend - 2.5 * u };
  context.font = `400 ${small}px ${FAMILY}`;
  context.fillStyle = INKS.muted;
  context.fillText("probability", x, y + 0.8 * small);
  const offset = context.measureText("probability ").width;
  context.font = `600 ${1.25 * small}px ${FAMILY}`;
  context.fillStyle = INKS.text;
  context.fillText(probabilityText(moment.probability), x + offset, y + 0.85 * small);
  if (curve.height > small) drawCurve(context, curve, talk.moments, now, small);
  drawLegend(context, { x, y: bottom - legend, width, height: legend }, talk, small);
}

/** From 0 to 1; up to now in colour. */
function drawCurve(context: CanvasRenderingContext2D, { x, y, width, height }: Rect, moments: Moment[], now: number, small: number): void {
  const dot = small / 3.2;
  context.font = `400 ${0.85 * small}px ${FAMILY}`;
  const left = x + context.measureText("0").width + 0.5 * small;
  const across = x + width - dot - left;
  const place = ({ at, probability }: Moment): Point => ({ x: left + at * across, y: y + (1 - probability) * height });
  context.lineWidth = small / 16;
  context.strokeStyle = INKS.line;
  context.fillStyle = INKS.muted;
  for (const [value, name] of [[0, "0"], [1, "1"]] as const) {
    const level = y + (1 - value) * height;
    context.beginPath();
    context.moveTo(left, level);
    context.lineTo(x + width, level);
    context.stroke();
    context.fillText(name, x, level + 0.3 * small);
  }
  const known = (moment: Moment | undefined) => !!moment && !Number.isNaN(moment.probability);
  context.lineWidth = small / 8;
  context.lineCap = "round";
  for (const [past, ink] of [[false, INKS.line], [true, INKS.mark]] as const) {
    context.strokeStyle = ink;
    context.beginPath();
    moments.forEach((moment, i) => {
      const before = moments[i - 1];
      if (!known(moment) || !known(before) || i <= now !== past) return;
      const [from, to] = [place(before!), place(moment)];
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    });
    context.stroke();
  }
  moments.forEach((moment, i) => {
    if (!known(moment)) return;
    const at = place(moment);
    context.fillStyle = i <= now ? INKS.mark : INKS.line;
    context.beginPath();
    context.arc(at.x, at.y, i === now ? dot : dot / 2.4, 0, 2 * Math.PI);
    context.fill();
  });
}

function drawLegend(context: CanvasRenderingContext2D, { x, y, width, height }: Rect, { mode, view, high, unit }: Talk, small: number): void {
  const size = 0.85 * small;
  context.font = `400 ${size}px ${FAMILY}`;
  const baseline = y + 0.5 * height + 0.35 * size;
  const put = (words: string, left: number) => {
    context.fillStyle = INKS.muted;
    context.fillText(words, left, baseline);
    return left + context.measureText(words).width + 0.5 * size;
  };
  const bar = { x: put("0", x), width: 0.22 * width, height: 0.5 * size };
  const gradient = context.createLinearGradient(bar.x, 0, bar.x + bar.width, 0);
  for (let i = 0; i <= 16; i++) gradient.addColorStop(i / 16, cssColor(view.colors, i / 16));
  context.fillStyle = gradient;
  context.fillRect(bar.x, baseline - 0.6 * size, bar.width, bar.height);
  const end = `${valueText(high)} ${unit}`;
  const left = bar.x + bar.width + 0.5 * size;
  const held = `${end} at every ${mode === "steps" ? "step" : "word"}`;
  put(left + context.measureText(held).width > x + width ? end : held, left);
}

function drawAnswer(context: CanvasRenderingContext2D, { answer, lines, small }: Layout, talk: Talk, { explanation, tokens }: Moment): void {
  const { view, mode } = talk;
  const size = answer.height / lines / 1.5;
  const measure = (text: string, style: Style) => ((context.font = `${style.weight} ${style.size}px ${FAMILY}`), context.measureText(text).width);
  const spaced = explanation.context.some(({ text }) => startsWord(text));
  const last = tokens.at(-1) ?? Infinity;
  const runs: Run[] = answerUnits(explanation, view.unit).flatMap((unit) => {
    const token = answerToken(explanation, unit.first)!;
    if (token.special && !view.template) return [];
    const chosen = tokens.some((t) => unit.first <= t && t < unit.end);
    const later = mode === "answer" && unit.first > last;
    const style: Style = { size: Math.min(size, 1.25 * small), weight: chosen ? 600 : 400, ink: chosen ? INKS.onMark : later ? "#7f8791" : INKS.text };
    return [{ text: rowText(explanation, unit), style, spaced: !spaced || startsWord(unit.name ?? token.text), ...(chosen && { fill: INKS.mark }) }];
  });
  const right = readsFromRight(explanation.answer);
  about(flow(runs, answer.width, measure), lines).forEach((line, i) => {
    const baseline = answer.y + (i + 0.72) * (answer.height / lines);
    for (const run of line) {
      const left = answer.x + (right ? answer.width - run.x - run.width : run.x);
      const wide = measure(run.text, run.style);
      if (run.fill) {
        const pad = 0.16 * run.style.size;
        context.fillStyle = run.fill;
        context.beginPath();
        context.roundRect(left - pad, baseline - 1.02 * run.style.size, wide + 2 * pad, 1.36 * run.style.size, 2 * pad);
        context.fill();
      }
      context.fillStyle = run.style.ink;
      context.fillText(run.text, left, baseline);
    }
  });
}

function shortened(context: CanvasRenderingContext2D, words: string, width: number): string {
  if (context.measureText(words).width <= width) return words;
  let kept = words;
  while (kept && context.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}
