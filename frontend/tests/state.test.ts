import { describe, expect, it } from "vitest";
import { parseHash } from "../src/view/tensorboard_host";
import { INITIAL_VIEW, PARAMETER_NAMES, fromParameters, toParameters } from "../src/view/state";
import { keepToken, layerIndex, nearestStep, selectedTokens } from "../src/view/selection";
import { spanMap } from "../src/pixels/heatmap";
import { explanation, layer } from "./fixture";

describe("the address", () => {
  it("brings back a view in which everything was changed", () => {
    const view = {
      run: "a/b & c=1",
      tag: "mmx/val/0007",
      step: 300,
      compare: "swipe",
      otherRun: "b",
      otherStep: 100,
      token: 0,
      unit: "tokens",
      more: 2,
      combine: "max",
      word: " ring",
      layer: "1.5",
      colors: "cividis",
      range: "fixed",
      fixedMax: 7.5,
      opacity: 0.5,
      smooth: true,
      grey: false,
  outline: true,
      matrix: "weight",
      template: true,
      zoom: { factor: 2.5, x: 0.25, y: 0.75 },
      region: { left: 0.25, top: 0, right: 0.5, bottom: 1 },
      image: 2,
      alternative: "4:17",
      context: 3,
      samples: true,
      film: true,
      grid: true,
      thought: true,
      talk: "steps",
    } as const;
    const parameters = toParameters(view);
    expect(Object.keys(parameters).sort()).toEqual([...PARAMETER_NAMES].sort());
    expect(fromParameters(parameters)).toEqual(view);
  });

  it("is empty for the initial view", () => {
    expect(toParameters({ ...INITIAL_VIEW })).toEqual({});
    expect(fromParameters({})).toEqual(INITIAL_VIEW);
  });

  it.each([
    ["step", "soon"],
    ["token", "1.5"],
    ["colors", "jet"],
    ["opacity", "7"],
    ["zoom", "1,2"],
    ["zoom", "0,0,0"],
    ["max", "-1"],
  ])("ignores %s=%s", (name, value) => {
    expect(fromParameters({ [name]: value })).toEqual(INITIAL_VIEW);
  });

  it("draws what a link compares in one range, unless the link says otherwise", () => {
    expect(fromParameters({ compare: "side" }).range).toBe("compared");
    const chosen = fromParameters({ compare: "side", range: "sample" });
    expect(fromParameters(toParameters(chosen)).range).toBe("sample");
    expect(fromParameters(toParameters({ ...chosen, range: "compared" })).range).toBe("compared");
    expect(fromParameters({ range: "compared" }).range).toBe("sample");
  });

  it("reads only our own parameters out of the host's hash", () => {
    expect(parseHash("#mmx&p.mmx.run=a%2Fb%20c&p.other.run=x&p.mmx.word=%E0%A4%A")).toEqual({
      run: "a/b c",
      word: "%E0%A4%A",
    });
  });
});

describe("the selected token", () => {
  const view = (token: number | null, word = "") => ({ ...INITIAL_VIEW, token, word });

  it("stays where index and word agree", () => {
    expect(keepToken(view(3, " dog"), explanation("| a dog a dog"))).toBe(3);
  });

  it("follows its word to the nearest place", () => {
    expect(keepToken(view(1, " dog"), explanation("| a big dog"))).toBe(2);
  });

  it("keeps its index where the word is gone, within the answer", () => {
    expect(keepToken(view(1, " cat"), explanation("| a dog"))).toBe(1);
    expect(keepToken(view(9, " cat"), explanation("| a dog"))).toBe(1);
    expect(keepToken(view(-5, ""), explanation("| a dog"))).toBe(0);
  });

  it("is at first the token that points most clearly", () => {
    const spread = layer(null, [[0, 0], [5, 5], [0, 4]]);
    expect(keepToken(view(null), explanation("| a wide dog", [spread]))).toBe(2);
  });
});

describe("a selection", () => {
  const sample = explanation("see | a colour ful big dog");
  sample.words = [["see", 0], [" a", 1], [" colourful", 2], [" big", 4], [" dog", 5]].map(([text, first]) => ({ text, first })) as never;
  const tokens = (token: number, more: number, unit: "words" | "tokens") => selectedTokens({ token, more, unit }, sample);

  it("is of whole words, whichever of their tokens is named", () => {
    expect(tokens(1, 0, "words")).toEqual([1, 2]);
    expect(tokens(2, 0, "words")).toEqual([1, 2]);
    expect(tokens(0, 2, "words")).toEqual([0, 1, 2, 3]);
    expect(tokens(3, 9, "words")).toEqual([3, 4]);
  });

  it("is of single tokens where they are asked for", () => {
    expect(tokens(2, 0, "tokens")).toEqual([2]);
    expect(tokens(1, 1, "tokens")).toEqual([1, 2]);
  });

  it("has the mean, the sum or the largest of its tokens' maps", () => {
    const scale = layer(1, [[1, 0], [2, NaN], [4, 6]]);
    const map = (combine: "mean" | "sum" | "max") => [...spanMap(scale, [0, 2], combine)!.values];
    expect([map("mean"), map("sum"), map("max")]).toEqual([[2.5, 3], [5, 6], [4, 6]]);
    expect([...spanMap(scale, [0, 1], "max")!.values]).toEqual([2, NaN]);
  });
});

it("takes the aggregate where a sample lacks the wanted scale", () => {
  const sample = explanation("| a", [layer(0.5, [[1]]), layer(1, [[1]]), layer(null, [[1]])]);
  expect(layerIndex({ layer: "0.5" }, sample)).toBe(0);
  expect(layerIndex({ layer: "2" }, sample)).toBe(2);
});

it("takes the nearest step that was kept, the last without a wish", () => {
  expect(nearestStep([0, 100, 300], null)).toBe(300);
  expect(nearestStep([0, 100, 300], 120)).toBe(100);
  expect(nearestStep([], 5)).toBeNull();
});
