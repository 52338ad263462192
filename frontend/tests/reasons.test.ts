// Why this word and not another: the difference of two words, in the strip, the list and the matrix.
import { describe, expect, it } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { readerOf } from "../src/matrix/matrix_values";
import { influencesOver } from "../src/words/influence";
import { alternativeAt, choiceText, reasonTexts, withReasons } from "../src/words/reasons";
import { answerUnits, rowText } from "../src/words/units";
import { explanation } from "./fixture";

/** "see blue | a square": "cross" was not said in place of "square", and "blue" was asked about. */
function asked(): Explanation {
  const sample = explanation("see blue | a square");
  const word = (first: number, text: string) => ({ first, count: 1, text, how: "hidden" });
  return {
    ...sample,
    contextWords: [word(0, " see"), word(1, " blue"), word(2, " a")],
    influence: Float32Array.from([0.1, 0.2, NaN, 0.3, 0.4, 0.5]),
    alternatives: [
      { context: 3, candidate: { id: 9, text: " cross", probability: 0.1 }, imageGain: 3.1 },
      { context: 1, candidate: { id: 1, text: " blue", probability: 0.2 }, imageGain: null },
    ],
    alternativesInfluence: Float32Array.from([-0.04, 0.8, -2, 0.6, NaN, NaN]),
  };
}

describe("the reasons for one word over another", () => {
  it("are named strongest first, for and against, with the picture before them", () => {
    expect(choiceText(asked(), 0)).toBe("“square” rather than “cross”");
    expect(reasonTexts(asked(), 0)).toEqual(["the picture +3.1 nats", "“a” −2.0", "“blue” +0.8"]);
  });

  it("of a word of the prompt are about that word, and silent about what was not measured", () => {
    expect(choiceText(asked(), 1)).toBe("“blue”");
    expect(reasonTexts(asked(), 1)).toEqual(["“see” +0.6 nats"]);
    expect(reasonTexts({ ...asked(), alternativesInfluence: null }, 1)).toEqual([]);
  });

  it("are none where no word beside the answer is shown", () => {
    expect(alternativeAt(asked(), "")).toBe(-1);
    expect(influencesOver(asked(), -1)).toEqual([]);
    expect(alternativeAt(asked(), "3:9")).toBe(0);
  });

  it("stand in the matrix in the row of what was said, which is called by both", () => {
    const sample = asked();
    const shown = withReasons(sample, 0, "words");
    const read = readerOf(shown, "influence");
    expect([0, 1, 2].map((column) => read(1, column))).toEqual([-0.04, 0.8, -2].map(Math.fround));
    expect(read(0, 1)).toBe(Math.fround(0.2));
    expect(answerUnits(shown, "words").map((group) => rowText(shown, group))).toEqual(["a", "square − cross"]);
    expect(withReasons(sample, 0, "words")).toBe(shown);
    expect(withReasons(sample, 1, "words")).toBe(sample);
    expect(rowText(sample, answerUnits(sample, "words")[1]!)).toBe("square");
  });
});
