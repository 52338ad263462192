// A figure as marks in CSS pixels, which a canvas and an SVG draw alike; and text that is broken into lines.
import type { Rect, Size } from "../pixels/geometry";

export interface Style {
  size: number;
  weight: 400 | 600;
  ink: string;
}

export type Mark =
  /** `y` is the baseline. */
  | { kind: "text"; x: number; y: number; width: number; text: string; style: Style }
  | { kind: "box"; rect: Rect; fill: string; radius: number }
  | { kind: "raster"; rect: Rect; canvas: OffscreenCanvas }
  /** From left to right, its colours evenly spaced. */
  | { kind: "gradient"; rect: Rect; colors: string[] };

export interface Scene {
  size: Size;
  background: string;
  marks: Mark[];
}

/** How wide a text is. */
export type Measure = (text: string, style: Style) => number;

/** What no line is broken within. */
export interface Run {
  text: string;
  style: Style;
  /** A blank stands before it. */
  spaced: boolean;
  /** What is behind it: the colour of a box. */
  fill?: string;
}
export type Placed = Run & { x: number; width: number };

const RTL = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

export function readsFromRight(text: string): boolean {
  return RTL.test(text);
}

/** The words of a text, all in one style. */
export function runsOf(text: string, style: Style): Run[] {
  return text.split(/\s+/).filter(Boolean).map((word) => ({ text: word, style, spaced: true }));
}

/** No line begins with these. */
const CLOSING = /^[.,;:!?…)\]}»”’、。，！？]+$/;

/** In lines of at most `width`; a run that is wider is cut. */
export function flow(runs: readonly Run[], width: number, measure: Measure): Placed[][] {
  const lines: Placed[][] = [];
  let x = Infinity;
  for (const run of runs.flatMap((run) => cut(run, width, measure))) {
    const wide = measure(run.text, run.style);
    const gap = run.spaced && lines.length ? measure(" ", run.style) : 0;
    if (x + gap + wide > width) {
      const before = lines.at(-1);
      const kept = before && before.length > 1 && CLOSING.test(run.text) ? [{ ...before.pop()!, x: 0 }] : [];
      lines.push(kept);
      x = kept[0] ? kept[0].width + gap : 0;
    } else x += gap;
    lines.at(-1)!.push({ ...run, x, width: wide });
    x += wide;
  }
  return lines;
}

function cut(run: Run, width: number, measure: Measure): Run[] {
  const pieces = [""];
  for (const character of measure(run.text, run.style) > width ? run.text : []) {
    if (pieces.at(-1) && measure(pieces.at(-1)! + character, run.style) > width) pieces.push("");
    pieces[pieces.length - 1] += character;
  }
  return pieces[0] ? pieces.map((text, i) => ({ ...run, text, spaced: run.spaced && !i })) : [run];
}

/** So many lines about the first that has something behind it; dots where others are left out. */
export function about(lines: Placed[][], most: number): Placed[][] {
  if (lines.length <= most) return lines;
  const marked = Math.max(0, lines.findIndex((line) => line.some(({ fill }) => fill)));
  const start = Math.max(0, Math.min(marked - (most >> 1), lines.length - most));
  const kept = lines.slice(start, start + most).map((line) => line.map((run) => ({ ...run })));
  if (start) kept[0]![0]!.text = `…${kept[0]![0]!.text}`;
  if (start + most < lines.length) kept.at(-1)!.at(-1)!.text += "…";
  return kept;
}
