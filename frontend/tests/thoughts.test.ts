import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { sentencesOf, thoughtOf } from "../src/words/thoughts";
import { chainOf, thoughtIn } from "../src/words/through_thought";
import { explanation } from "./fixture";

const golden = JSON.parse(readFileSync(new URL("golden/thoughts.json", import.meta.url), "utf8")) as {
  thoughts: [string[], string | null][];
  sentences: [string[], string[]][];
};

it.each(golden.thoughts)("finds the thought of %j as Python does", (pieces, thought) => {
  const found = thoughtOf(pieces);
  expect(found && pieces.slice(found.first, found.end).join("")).toBe(thought);
});

it.each(golden.sentences)("finds the sentences of %j as Python does", (pieces, sentences) => {
  expect(sentencesOf(pieces).map(({ first, end }) => pieces.slice(first, end).join(""))).toEqual(sentences);
});

/** Two words of the prompt; a thought of two sentences with a word each; a word behind it. */
function thinking(): Explanation {
  const texts = ["ball", "sky", "<think>", " Ball", ".", " Sky", ".", "</think>", " red"];
  const made = explanation("ball sky | <think> Ball . Sky . </think> red");
  const influence = new Float32Array(7 * 4).fill(NaN);
  influence.set([3, 0.5], 4);
  influence.set([0, 0.5, 2], 8);
  influence.set([-1, 2, 0], 12);
  influence.set([0, 0, 0, 1], 16);
  influence.set([1, -2, 4, 2], 24);
  return {
    ...made,
    context: texts.map((text, id) => ({ id, text, special: text.startsWith("<"), turn: id < 2 ? 0 : 1 })),
    words: texts.map((text, first) => ({ first, text })),
    contextWords: [0, 1, 3, 5].map((first) => ({ first, count: 1, text: texts[first]!, how: "hidden" })),
    influence,
    imageGain: [0, 3, 0, 0, 0, 0, 3],
  };
}

it("chains a word over its thought's sentences to prompt and picture, worked by hand", () => {
  const chain = chainOf(thinking(), [6])!;
  // For it speak: ball 1, the sentences 4 and 2, the picture 3; "sky" speaks against it.
  expect(chain.direct.map(({ word, nats, share }) => [word?.text ?? "picture", nats, share])).toEqual([
    ["picture", 3, 0.3],
    ["ball", 1, 0.1],
    ["sky", -2, 0],
  ]);
  const [first, second] = chain.sentences;
  expect([first!.text, first!.first, first!.end, first!.nats, first!.share]).toEqual(["Ball.", 1, 3, 4, 0.4]);
  expect([second!.text, second!.nats, second!.share]).toEqual(["Sky.", 2, 0.2]);
  expect(first!.supports.map(({ word, nats }) => [word?.text ?? "picture", nats])).toEqual([
    ["ball", 3],
    ["picture", 3],
    ["sky", 1],
  ]);
  expect(first!.supports[0]!.share).toBeCloseTo((0.4 * 3) / 7);
  expect(second!.supports.find(({ word }) => word?.text === "sky")!.share).toBeCloseTo(0.2);
});

it("has no chain for the thought itself, without a thought, or where nothing was measured", () => {
  expect(thoughtIn(thinking())).toMatchObject({ first: 1, end: 5 });
  expect(chainOf(thinking(), [1])).toBeNull();
  expect(thoughtIn({ ...thinking(), influence: null })).toBeNull();
  expect(thoughtIn(explanation("a | b"))).toBeNull();
});
