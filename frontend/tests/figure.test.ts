import { beforeAll, describe, expect, it, vi } from "vitest";
import { LIGHT, type Shown, figureOf, fileName } from "../src/figure/figure";
import { escaped, svgOf } from "../src/figure/paint";
import { type Scene, about, flow, runsOf } from "../src/figure/scene";
import { sideOf } from "../src/pixels/stage_picture";
import { type CompareMode, INITIAL_VIEW } from "../src/view/state";
import { explanation, layer } from "./fixture";

const NO_IMAGE = { bitmap: null, missing: "" };
const STYLE = { size: 10, weight: 400, ink: "#000" } as const;
/** Each character as wide as half its height. */
const measure = (text: string, { size }: { size: number }) => (text.length * size) / 2;
const texts = ({ marks }: Scene) => marks.flatMap((mark) => (mark.kind === "text" ? mark.text : [])).join(" ");
const rasters = ({ marks }: Scene) => marks.flatMap((mark) => (mark.kind === "raster" ? mark.rect : []));

function shown(compare: CompareMode, size = 4, answer = "a red dog"): Shown {
  const view = { ...INITIAL_VIEW, tag: "mmx/val/0", compare, token: 2 };
  const of = (run: string, step: number, said: string, value: number) => {
    const maps = said.split(" ").map(() => Array.from({ length: size }, () => value));
    const one = { ...explanation(`see this | ${said}`, [layer(1, maps, 2), layer(null, maps, 2)]), run, step };
    return sideOf(one, NO_IMAGE, view);
  };
  return { view, a: of("tuned", 900, answer, 4), b: compare === "single" ? null : of("tuned/lr=1e-4", 1300, "a red cat", 2), curtain: 0.25 };
}

beforeAll(() => {
  const context = new Proxy({}, { get: (_, name) => (name === "getContext" ? undefined : () => undefined), set: () => true });
  vi.stubGlobal("OffscreenCanvas", class {
    getContext = () => context;
  });
  vi.stubGlobal("ImageData", class {});
});

describe("the lines of a text", () => {
  const lines = (text: string, width: number) => flow(runsOf(text, STYLE), width, measure).map((line) => line.map((run) => run.text));

  it("are as wide as there is room, a word that is wider is cut", () => {
    expect(lines("one two three", 40)).toEqual([["one", "two"], ["three"]]);
    expect(lines("abcdefgh ij", 25)).toEqual([["abcde"], ["fgh"], ["ij"]]);
    expect(lines("", 25)).toEqual([]);
    expect(lines("a dog .", 25)).toEqual([["a"], ["dog", "."]]);
  });

  it("have a word without a blank right behind the one before", () => {
    const [line] = flow([...runsOf("dog", STYLE), { text: ".", style: STYLE, spaced: false }], 100, measure);
    expect(line!.map(({ x }) => x)).toEqual([0, 15]);
  });

  it("are those about the selected word, where they are too many", () => {
    const runs = runsOf("a b c d e f g", STYLE).map((run) => (run.text === "e" ? { ...run, fill: "#eee" } : run));
    const kept = about(flow(runs, 5, measure), 3).map((line) => line[0]!.text);
    expect(kept).toEqual(["…d", "e", "f…"]);
    expect(about(flow(runs, 5, measure), 7)).toHaveLength(7);
  });
});

describe("a figure", () => {
  it("of one checkpoint names the sample, the run and the step, and has the answer and the legend", () => {
    const figure = figureOf(shown("single"), LIGHT, measure);
    for (const part of ["val/0", "see this", "tuned · step 900", "a red dog", "“dog” ·", "4.00", "logit · range: all steps"]) expect(texts(figure)).toContain(part);
    expect(rasters(figure)).toHaveLength(1);
  });

  it("has both pictures, both answers and both names, side by side", () => {
    const figure = figureOf(shown("side"), LIGHT, measure);
    for (const part of ["A · tuned · step 900", "B · tuned/lr=1e-4 · step 1,300", "a red dog", "a red cat", "Against A:"]) expect(texts(figure)).toContain(part);
    const [first, second] = rasters(figure);
    expect(first!.y).toBe(second!.y);
    expect(second!.x).toBeGreaterThan(first!.x + first!.width);
  });

  it("has its curtain where that is on the screen", () => {
    const figure = figureOf(shown("swipe"), LIGHT, measure);
    const [picture] = rasters(figure);
    const curtain = figure.marks.find((mark) => mark.kind === "box" && mark.rect.height === picture!.height);
    expect(curtain).toMatchObject({ rect: { x: picture!.x + 0.25 * picture!.width - 2, width: 4 } });
  });

  it("of a difference says which end is whose", () => {
    expect(texts(figureOf(shown("difference"), LIGHT, measure))).toMatch(/more in B −2.00 .*\+2.00 more in A logit/);
  });

  it.each(["single", "side", "swipe", "difference"] as const)("of %s keeps all within its edges, whatever the picture's shape and the names' length", (compare) => {
    for (const size of [2, 40]) {
      const one = shown(compare, size, "word ".repeat(300).trim());
      one.a.explanation.run = "a/very/long/name/".repeat(20);
      const { marks, size: room } = figureOf(one, LIGHT, measure);
      for (const mark of marks) {
        const box = mark.kind === "text" ? { x: mark.x, y: mark.y, width: mark.width, height: 0 } : mark.rect;
        expect(box.x).toBeGreaterThanOrEqual(20);
        expect(box.x + box.width).toBeLessThanOrEqual(room.width - 20);
        expect(box.y + box.height).toBeLessThanOrEqual(room.height);
      }
    }
  });

  it("is called by sample, runs, steps and how they are compared", () => {
    expect(fileName(shown("single"))).toBe("val_0_tuned_step-900");
    expect(fileName(shown("swipe"))).toBe("val_0_tuned_step-900_vs_tuned_lr=1e-4_step-1300_swipe");
    const odd = shown("single");
    odd.a.explanation.run = '../..\\a:b*"x"';
    expect(fileName(odd)).toBe("val_0_a_b_x_step-900");
  });

  it("as SVG keeps texts as texts, and nothing in them is markup", async () => {
    const style = { size: 10, weight: 600, ink: "#123456" } as const;
    const marks: Scene["marks"] = [{ kind: "text", x: 1, y: 2, width: 30, text: "<script>&\u0000", style }];
    const svg = await svgOf({ size: { width: 40, height: 20 }, background: "#fff", marks });
    expect(svg).toContain('textLength="30" lengthAdjust="spacingAndGlyphs">&lt;script&gt;&amp;\uFFFD</text>');
    expect(escaped("\uD800x")).toBe("\uFFFDx");
  });
});
