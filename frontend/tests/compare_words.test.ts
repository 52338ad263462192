// A's words against B's: which stand under which, what changed, what a word costs another.
import { describe, expect, it } from "vitest";
import { withDifferenceMatrix } from "../src/matrix/difference_matrix";
import { gatherCells, strongestValue } from "../src/matrix/matrix_cells";
import { isSigned, modeIn, modesOf, readerOf } from "../src/matrix/matrix_values";
import { columnAt, filmPlaces } from "../src/pixels/film_places";
import { alignAnswers } from "../src/words/alignment";
import { changeOf, isNotable, mostChanged, wordChangeText } from "../src/words/changes";
import { columnsOf } from "../src/words/versus";
import type { Explanation } from "../src/data/explanation";
import { explanation as made } from "./fixture";

type Word = [text: string, probability: number, says?: string];

/** One prompt token and an answer. */
function answered(words: Word[]): Explanation {
  const base = made(`look | ${words.map(([text]) => text.trim()).join(" ")}`);
  const texts = ["look", ...words.map(([text]) => text)];
  const agreement = {
    probability: words.map(([, probability]) => probability),
    rank: words.map(([, , says]) => (says ? 1 : 0)),
    top: words.map(([text, , says]) => ({ id: 0, text: says ?? text, probability: 0.5 })),
  };
  return {
    ...base,
    promptLength: 1,
    context: texts.map((text, id) => ({ id, text, special: false, turn: 0 })),
    words: null,
    layers: base.layers.map((layer) => (layer.factor === null ? layer : { ...layer, factor: 1, agreement })),
  };
}
const compared = (a: Explanation, b: Explanation) => ({ explanation: b, pairs: alignAnswers(a, b) });

describe("a word's change", () => {
  const a = answered([[" a", 1], [" square", 0.16, " cross"], [" is", 0.95], [" red", 1]]);
  const b = answered([[" a", 1], [" square", 1], [" is", 1]]);

  it("is of its probability and of the first choice, from B to A", () => {
    const change = changeOf(a, compared(a, b), [1]);
    expect(isNotable(change)).toBe(true);
    expect(wordChangeText(change)).toBe("1.00 → 0.16, now says “cross”, and not “square”");
    expect(isNotable(changeOf(a, compared(a, b), [2]))).toBe(false);
    expect(changeOf(a, compared(a, b), [3])).toMatchObject({ text: true, before: null, choice: null });
  });

  it("is largest where another word is said, and else where the probability changed most", () => {
    expect(mostChanged(a, compared(a, b))).toBe(3);
    const same = answered([[" a", 0.9], [" square", 1], [" is", 0.2], [" red", 1]]);
    expect(mostChanged(a, compared(a, same))).toBe(1);
    expect(mostChanged(a, compared(a, a))).toBeNull();
  });
});

it("each of B's words stands under A's, and what only one says has a column of its own", () => {
  const a = answered([[" a", 1], [" red", 1], [" ring", 1], [" now", 1]]);
  const b = answered([[" a", 1], [" big", 1], [" red", 1], [" ring", 1]]);
  expect(columnsOf(a, compared(a, b), "tokens")).toEqual([
    { a: 0, b: [0] },
    { a: null, b: [1] },
    { a: 1, b: [2] },
    { a: 2, b: [3] },
    { a: 3, b: [] },
  ]);
});

describe("influence", () => {
  /** Of "look" and " blue" on each of two answer tokens, the second of which follows " blue". */
  const sample: Explanation = {
    ...answered([[" blue", 0.5], [" dog", 0.92]]),
    contextWords: [{ first: 0, count: 1, text: "look", how: "hidden" }, { first: 1, count: 1, text: " blue", how: "hidden" }],
    influence: Float32Array.of(-0.2, NaN, 0.05, Math.log(0.92 / 0.11)),
  };

  it("is shown first where it was measured, and signed", () => {
    expect(modesOf(sample)).toEqual(["influence", "relevance", "activation", "weight"]);
    expect([modeIn(sample, "estimate"), modeIn({ ...sample, influence: null }, "influence")]).toEqual(["influence", "relevance"]);
    expect([isSigned(sample, "influence"), isSigned(sample, "relevance")]).toEqual([true, false]);
    expect(readerOf(sample, "influence")(0, 0)).toBeCloseTo(-0.2);
    expect([readerOf(sample, "influence")(0, 1), readerOf(sample, "influence")(1, 2)]).toEqual([NaN, NaN]);
  });

  it("adds up over the tokens of a word, and has no value where one of them has none", () => {
    const both = { first: 0, end: 2 };
    expect(strongestValue(sample, "influence", both, { first: 0, end: 1 })).toBeCloseTo(-0.15);
    expect(strongestValue(sample, "influence", both, { first: 1, end: 2 })).toBeNaN();
    const cells = gatherCells(sample, "influence", { rows: [both], columns: [{ first: 0, end: 1 }, { first: 1, end: 2 }] });
    expect(cells.values[0]).toBeCloseTo(-0.15);
    expect(cells.values[1]).toBeNaN();
  });

  it("is subtracted word by word", () => {
    const result = withDifferenceMatrix(sample, { ...sample, influence: Float32Array.of(-0.2, NaN, 0.05, 1) });
    expect(readerOf(result, "influence")(1, 1)).toBeCloseTo(Math.log(0.92 / 0.11) - 1);
    expect(readerOf(result, "influence")(0, 0)).toBe(0);
    expect(modesOf(withDifferenceMatrix(sample, { ...sample, influence: null }))).not.toContain("influence");
  });
});

it("a film's columns are as far apart as its steps, and never one over the other", () => {
  expect(filmPlaces([0, 50, 100], 10, 2, 210)).toEqual([0, 100, 200]);
  expect(filmPlaces([0, 1, 100], 10, 2, 210)).toEqual([0, 12, 200]);
  // Both make room, and what comes after is where it was.
  expect(filmPlaces([0, 50, 51, 100], 10, 2, 210)).toEqual([0, 95, 107, 200]);
  expect(filmPlaces([0, 10, 20, 30, 31], 10, 2, 10)).toEqual([0, 12, 24, 36, 48]);
  expect(filmPlaces([0, 1, 2], 10, 2, 12)).toEqual([0, 12, 24]);
  expect(filmPlaces([7], 10, 2, 100)).toEqual([0]);
  expect([columnAt([0, 100], 10, 5), columnAt([0, 100], 10, 50), columnAt([0, 100], 10, 109)]).toEqual([0, -1, 1]);
});
