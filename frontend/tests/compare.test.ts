import { describe, expect, it } from "vitest";
import { align, counterpart } from "../src/words/alignment";
import type { IndexResponse } from "../src/data/api";
import { whyNot } from "../src/words/candidate_search";
import { cellPixels } from "../src/pixels/draw_map";
import { withDifferenceMatrix } from "../src/matrix/difference_matrix";
import type { EmbeddedData } from "../src/data/embedded";
import { standalonePage } from "../src/data/page";
import { matrixValue } from "../src/data/explanation";
import { difference } from "../src/pixels/difference_picture";
import { spanMap } from "../src/pixels/heatmap";
import { resize } from "../src/pixels/resize";
import { otherPlace } from "../src/view/places";
import { covering, peaksOf, rangeOf } from "../src/pixels/range";
import { cellRegion } from "../src/pixels/geometry";
import { coverage, readersOf } from "../src/pixels/region";
import { seriesOf } from "../src/pixels/series";
import { largestValue } from "../src/matrix/matrix_text";
import { differenceOf } from "../src/pixels/difference_picture";
import { pictureOf, sideOf } from "../src/pixels/stage_picture";
import { INITIAL_VIEW } from "../src/view/state";
import { explanation, layer } from "./fixture";

const NO_IMAGE = { bitmap: null, missing: "" };
const words = (text: string) => text.split(" ").filter(Boolean);
const aligned = (a: string, b: string) => {
  const [first, second] = [words(a), words(b)];
  return align(first, second).map(({ a: i, b: j }) => `${i === null ? "-" : first[i]}/${j === null ? "-" : second[j]}`);
};

describe("the alignment of two answers", () => {
  it("is one to one for the same answer", () => {
    expect(aligned("a red dog", "a red dog")).toEqual(["a/a", "red/red", "dog/dog"]);
  });

  it("pairs a changed word with what stands for it, and shows what is added or dropped as a gap", () => {
    expect(aligned("a red dog runs", "a blue dog runs")).toEqual(["a/a", "red/blue", "dog/dog", "runs/runs"]);
    expect(aligned("a dog runs", "a big dog runs")).toEqual(["a/a", "-/big", "dog/dog", "runs/runs"]);
    expect(aligned("a big dog", "a dog")).toEqual(["a/a", "big/-", "dog/dog"]);
    expect(aligned("", "a")).toEqual(["-/a"]);
  });

  it("names every token of both exactly once, in order, even for answers too long for the table", () => {
    const long = Array.from({ length: 2500 }, (_, i) => `x${i}`);
    const other = Array.from({ length: 2100 }, (_, i) => `y${i}`);
    const pairs = align(long, other);
    expect(pairs.flatMap(({ a }) => a ?? [])).toEqual(long.map((_, i) => i));
    expect(pairs.flatMap(({ b }) => b ?? [])).toEqual(other.map((_, i) => i));
  });

  it("gives the counterpart of a token, or none", () => {
    const pairs = align(words("a big dog"), words("a dog"));
    expect([0, 1, 2].map((token) => counterpart(pairs, token))).toEqual([0, null, 1]);
  });
});

describe("the map of a span", () => {
  const scale = layer(1, [[1, 2, 3, 4], [3, 2, 1, 0]], 2);

  it("is the sum or the mean of its tokens' maps", () => {
    expect([...spanMap(scale, [0, 1], "sum")!.values]).toEqual([4, 4, 4, 4]);
    expect([...spanMap(scale, [0, 1], "mean")!.values]).toEqual([2, 2, 2, 2]);
    expect([...spanMap(scale, [1], "sum")!.values]).toEqual([3, 2, 1, 0]);
    expect(spanMap(scale, [], "sum")).toBeNull();
  });
});

describe("the difference of two maps", () => {
  it("is A minus B on the finer grid, bilinear with cell centres aligned", () => {
    const coarse = { rows: 1, cols: 2, values: Float32Array.of(0, 4) };
    expect([...resize(coarse, 1, 4)]).toEqual([0, 1, 3, 4]);
    const fine = { rows: 1, cols: 4, values: Float32Array.of(5, 5, 5, 5) };
    expect([...difference(fine, coarse).values]).toEqual([5, 4, 2, 1]);
  });

  it("is drawn around zero: see-through in the middle, equally strong at both ends", () => {
    const pixels = cellPixels(Float32Array.of(-2, 0, 2), { low: -2, high: 2 }, "RdBu", 1);
    expect([3, 7, 11].map((i) => pixels[i])).toEqual([255, expect.closeTo(0, -1), 255]);
    expect([...pixels.slice(0, 3)]).not.toEqual([...pixels.slice(8, 11)]);
  });

  it("has a range that is as wide on both sides of zero", () => {
    const [a, b] = [[[1, 9]], [[4, 3]]].map((map) => explanation("| dog", [layer(1, map), layer(null, map)]));
    const view = { ...INITIAL_VIEW, token: 0, compare: "difference" } as const;
    const picture = differenceOf(sideOf(a!, NO_IMAGE, view), sideOf(b!, NO_IMAGE, view), view);
    expect([...picture.map!.values]).toEqual([-3, 6]);
    expect(picture.range).toEqual({ low: -6, high: 6 });
  });
});

it("subtracts matrices token by token, with no value where B has no such token", () => {
  const [a, b] = [explanation("see | a big dog"), explanation("see | a dog")];
  const result = withDifferenceMatrix(a!, b!);
  const at = (row: number, column: number) => matrixValue(result, "relevance", row, column);
  expect(result.difference).toBe(true);
  expect(at(0, 0)).toBe(matrixValue(a!, "relevance", 0, 0) - matrixValue(b!, "relevance", 0, 0));
  expect(at(2, 1)).toBe(matrixValue(a!, "relevance", 2, 1) - matrixValue(b!, "relevance", 1, 1));
  expect([at(1, 0), at(2, 2), at(0, 1)]).toEqual([NaN, NaN, NaN]);
});

it("subtracts how much later tokens compete, but of the other modes only the context", () => {
  const [a, b] = [explanation("see | a big dog"), explanation("see | a big dog")];
  const result = withDifferenceMatrix(a, { ...b, matrix: b.matrix!.map((value) => value / 2) });
  const at = (mode: "relevance" | "weight", row: number, column: number) => matrixValue(result, mode, row, column);
  expect(at("weight", 0, 3)).toBe(matrixValue(a, "weight", 0, 3) / 2);
  expect([at("relevance", 0, 3), at("relevance", 1, 2)]).toEqual([NaN, NaN]);
});

it("covers both samples with one range while they are compared", () => {
  const [a, b] = [[[1, 2]], [[1, 8]]].map((map) => explanation("| dog", [layer(1, map), layer(null, map)]));
  const shown = a!.layers[0]!;
  const map = spanMap(shown, [0], "mean");
  expect(rangeOf(a!, shown, map, { range: "compared", fixedMax: 1 }, covering(peaksOf(a!), peaksOf(b!))).high).toBe(8);
  expect(rangeOf(a!, shown, map, { range: "sample", fixedMax: 1 }).high).toBe(2);
});

it("gives both sides the same range, even where a sum over a span passes every token's own", () => {
  const [a, b] = [[[1, 9], [1, 9]], [[4, 3], [4, 3]]].map((maps) => explanation("| big dog", [layer(null, maps)]));
  const view = { ...INITIAL_VIEW, token: 0, more: 1, combine: "sum", compare: "side", range: "compared" } as const;
  const sides = [sideOf(a!, NO_IMAGE, view), sideOf(b!, NO_IMAGE, view)] as const;
  expect(pictureOf(sides[0], view, sides[1]).range).toEqual({ low: 0, high: 18 });
  expect(pictureOf(sides[1], view, sides[0]).range).toEqual({ low: 0, high: 18 });
});

it("says that nothing differs with the middle colour, and keeps the legend's ends", () => {
  const same = explanation("see | a dog", [layer(null, [[1, 9], [1, 9]])]);
  const view = { ...INITIAL_VIEW, token: 0, compare: "difference" } as const;
  expect(differenceOf(sideOf(same, NO_IMAGE, view), sideOf(same, NO_IMAGE, view), view).range).toEqual({ low: -1, high: 1 });
  expect(largestValue(withDifferenceMatrix(same, same), "relevance")).toBe(1);
});

it("compares no scale with another, but says that one side lacks it", () => {
  const [a, b] = [explanation("| dog", [layer(0.5, [[1, 2]]), layer(null, [[1, 2]])]), explanation("| dog", [layer(null, [[3, 4]])])];
  const view = { ...INITIAL_VIEW, token: 0, layer: "0.5", compare: "swipe" } as const;
  const [first, second] = [sideOf(a, NO_IMAGE, view), sideOf(b, NO_IMAGE, view)];
  expect([...pictureOf(first, view, second).map!.values]).toEqual([1, 2]);
  const lacking = { map: null, trouble: "Nothing was logged here at scale 0.5.", caption: "“dog” · no such scale" };
  expect(pictureOf(second, view, first)).toMatchObject(lacking);
  // The legend, which is A's, holds for B wherever the scale is the one that A lacks.
  const compared = { ...view, range: "compared" } as const;
  expect(pictureOf(second, compared, first).range).toEqual(pictureOf(first, compared, second).range);
});

describe("the other checkpoint", () => {
  const sample = (steps: number[]) => [{ tag: "mmx/val/0", set: "val", sample: "0", steps, wall_times: steps }];
  const index: IndexResponse = {
    version: 1,
    runs: [
      { run: "a", samples: sample([0, 100, 200]), images: [] },
      { run: "b", samples: sample([0, 150]), images: [] },
      { run: "empty", samples: [], images: [] },
    ],
  };
  const view = (patch: object) => ({ ...INITIAL_VIEW, run: "a", tag: "mmx/val/0", ...patch });

  it("is the step before, or after the first, unless one is chosen", () => {
    expect(otherPlace(index, view({ step: 200 }))?.step).toBe(100);
    expect(otherPlace(index, view({ step: 0 }))?.step).toBe(100);
    expect(otherPlace(index, view({ step: 200, otherStep: 0 }))?.step).toBe(0);
  });

  it("of another run is at the nearest step; there is none where the run lacks the sample", () => {
    expect(otherPlace(index, view({ step: 200, otherRun: "b" }))).toEqual({ run: "b", tag: "mmx/val/0", step: 150 });
    expect(otherPlace(index, view({ step: 200, otherRun: "empty" }))).toBeNull();
  });

  it("is never a sample of another set, nor of a run that has gone", () => {
    const train = [{ tag: "mmx/train/0", set: "train", sample: "0", steps: [0], wall_times: [0] }];
    const other = { ...index, runs: [...index.runs, { run: "c", samples: train, images: [] }] };
    expect(otherPlace(other, view({ step: 200, otherRun: "c" }))).toBeNull();
    expect(otherPlace(other, view({ step: 200, otherRun: "gone" }))).toBeNull();
  });
});

describe("a region of the image", () => {
  it("covers cells in part", () => {
    const weights = coverage({ left: 0, top: 0, right: 0.75, bottom: 0.5 }, 2, 2);
    expect([...weights]).toEqual([1, 0.5, 0, 0]);
    expect(cellRegion(0.6, 0.1, 2, 2)).toEqual({ left: 0.5, top: 0, right: 1, bottom: 0.5 });
  });

  it("ranks the tokens that read most from it, and says what share of their reading lies there", () => {
    const scale = layer(1, [[4, 0, 0, 4], [1, 0, 0, 0], [0, 9, 0, 0]], 2);
    const readers = readersOf(explanation("| big dog runs", [scale]), scale, cellRegion(0.1, 0.1, 2, 2), INITIAL_VIEW);
    expect(readers).toEqual([
      { unit: { first: 0, end: 1 }, mean: 4, share: 0.5 },
      { unit: { first: 1, end: 2 }, mean: 1, share: 1 },
      { unit: { first: 2, end: 3 }, mean: 0, share: 0 },
    ]);
  });
});

it("follows the same word over the steps, with gaps where a step has not come", () => {
  const [early, late] = [explanation("| a dog"), explanation("| a big dog")];
  early.grounding = [0.1, 0.2];
  late.grounding = [0.3, 0.4, 0.5];
  const view = { ...INITIAL_VIEW, token: 1, word: " dog" };
  const grounding = seriesOf([early, null, late], view).find(({ name }) => name === "share on picture");
  expect(grounding!.values).toEqual([0.2, NaN, 0.5]);
});

it("lets nothing in the data end a script of the standalone page", () => {
  const data = { version: 1, index: { version: 1, runs: [] }, records: { "</script><b>": [] } } as unknown as EmbeddedData;
  const page = standalonePage(data, 'const tag = "</script>";', "<b>");
  expect(page.match(/<\/script/g)).toHaveLength(2);
  expect(page).not.toContain("<b>");
});

it("tells of a word that was not said its rank, and where its map was logged", () => {
  const said = explanation("see | a square dog");
  said.candidates[1 + 2] = [
    { id: 2, text: " dog", probability: 0.9 },
    { id: 9, text: " Cat", probability: 0.1 },
  ];
  expect(whyNot(said, 2, " Cat ")).toEqual({ rank: 2, probability: 0.1, mappedBy: null, alternative: null });
  // Another case is another word.
  expect(whyNot(said, 2, "cat").rank).toBeNull();
  expect(whyNot(said, 2, "square")).toEqual({ rank: null, probability: null, mappedBy: 1, alternative: null });
});
