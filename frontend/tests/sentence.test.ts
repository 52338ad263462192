import { describe, expect, it } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { covering, peaksOf } from "../src/pixels/range";
import { doubtfulUnits, followingDoubt } from "../src/words/doubtful";
import { isLittle, tintOf } from "../src/words/evidence";
import { gainOf, insteadOf } from "../src/words/figures";
import { influenceIn, influencesOn, lineOf } from "../src/words/influence";
import { type Said, changeText, clausesOf } from "../src/words/sentence";
import { natsText } from "../src/view/text";
import { pointing } from "../src/words/where";
import { explanation, layer } from "./fixture";

const VIEW = { combine: "mean", unit: "words" } as const;

/** Of "a square": what it gains in nats, how likely it is, what else it would say, where it points. */
function logged(given: { gain?: number[] | null; probability?: number; instead?: string; cells?: number[] } = {}): Explanation {
  const { gain = [0, 8.4], probability = 1, instead = "", cells = [12, 0, 0, 0, 0, 0, 0, 0, 0] } = given;
  const scales = [1, 2].map((factor) => ({
    ...layer(factor, [cells, cells], 3),
    agreement: {
      probability: [1, probability],
      rank: [0, instead && factor === 1 ? 1 : 0],
      top: [null, { id: 9, text: instead || " square", probability: instead ? 0.6 : probability }],
    },
  }));
  return { ...explanation("see | a square", [...scales, layer(null, [[0, 0, 0, 0, 0, 0, 0, 0, 0], cells], 3)]), imageGain: gain };
}

function said(sample: Explanation, held = peaksOf(sample)): Said {
  return { explanation: sample, tokens: [1], held };
}

const sentence = (one: Said) => clausesOf(one, VIEW).map(({ text }) => text);

describe("the sentence of a word", () => {
  it("says how sure the model is, what the picture adds, where it would be said, and what the scales say", () => {
    expect(sentence(said(logged()))).toEqual([
      "the model is sure (1.00)",
      "it needs the picture (+8.4 nats)",
      "places upper left would say it",
      "2 of 2 scales agree",
    ]);
  });

  it("says what the model would have said instead, and how likely", () => {
    expect(sentence(said(logged({ probability: 0.2, instead: " cross" })))).toContain("the model would say “cross” (0.60), not this (0.20)");
    expect(sentence(said(logged({ probability: 0.2, instead: " cross" })))).toContain("1 of 2 scales agree");
  });

  it("speaks of need only where the picture adds much to a likely word", () => {
    const need = (gain: number, probability = 1) => sentence(said(logged({ gain: [0, gain], probability })))[1];
    expect(need(0.5)).toBe("the picture helps a little (+0.5 nats)");
    expect(need(0.04)).toBe("with other pictures it is as likely (±0.0 nats)");
    expect(need(-7.3)).toBe("the picture speaks against it (−7.3 nats)");
    expect(need(1.2, 0.03)).toBe("the picture makes it likelier (+1.2 nats), yet it stays unlikely");
    expect(sentence(said(logged({ gain: null }))).join()).not.toContain("nats");
  });

  it("points nowhere where its map is faint beside the sample's other steps", () => {
    const untrained = logged({ cells: [0.7, 0, 0, 0, 0, 0, 0, 0, 0] });
    expect(sentence(said(untrained, covering(peaksOf(untrained), peaksOf(logged()))))).toContain("no place would say it clearly (0.70 of 12.0 logit)");
  });

  it("names which of several pictures it needs most", () => {
    const sample = { ...logged(), imageGains: [[0, 0.2], [0, 5.1]] };
    sample.views = [{ ...sample.views[0]! }, { ...sample.views[0]!, picture: 1 }];
    expect(sentence(said(sample))[1]).toBe("it needs the picture (+8.4 nats), most of all image 2 (+5.1)");
  });

  it("speaks of an explanation by occlusion as of what hiding costs", () => {
    expect(sentence(said({ ...logged(), occlusion: true }))).toContain("places upper left cost it most");
  });

  it("writes nats with their sign, and none of zero", () => {
    expect([8.44, -0.26, 0.01, -0.04, 12.345].map(natsText)).toEqual(["+8.4", "−0.3", "±0.0", "±0.0", "+12.3"]);
  });
});

describe("what changed", () => {
  const spread = logged({ probability: 0.2, instead: " cross", gain: [0, 2.1], cells: [0, 0, 0, 0, 0, 0, 9, 9, 0] });

  it("is nothing but the same word where nothing did", () => {
    expect(changeText(said(logged()), said(logged()), VIEW)).toBe("the same word");
  });

  it("is told from the earlier to the later", () => {
    expect(changeText(said(spread), said(logged()), VIEW)).toBe(
      "would say “square”, not “cross”, likelier (0.20 → 1.00), the picture adds more (+2.1 → +8.4), more concentrated, elsewhere (places at the bottom before)",
    );
  });

  it("is that there is no such word, where the answers differ in length", () => {
    expect(changeText(said(logged()), { ...said(logged()), tokens: [] }, VIEW)).toBe("has no such word");
  });
});

describe("where a map points", () => {
  const text = (...values: number[]) => pointing({ rows: 3, cols: 3, values: Float32Array.from(values) })?.text;

  it("is said by thirds of the picture", () => {
    expect(text(0, 0, 0, 0, 5, 0, 0, 0, 0)).toBe("places in the middle");
    expect(text(0, 0, 0, 0, 0, 5, 0, 0, 1)).toBe("places at the right");
    expect(text(0, 0, 0, 0, 0, 0, 0, 0, 5)).toBe("places lower right");
  });

  it("is several places where they are apart, and all over where they are many", () => {
    expect(text(5, 0, 0, 0, 0, 0, 0, 0, 4)).toBe("several places, most upper left");
    expect(text(5, 5, 0, 4, 0, NaN, 0, 0, 3)).toBe("places all over the picture");
    expect(text(0, 0, 0, 0, 0, 0, 0, 0, NaN)).toBeUndefined();
  });
});

describe("the tint", () => {
  it("is what the picture adds, of the most at any step; what speaks against a word has none", () => {
    const sample = logged({ gain: [-2, 6] });
    const held = covering(peaksOf(sample), { ...peaksOf(sample), gain: 12 });
    expect([0, 1].map((token) => tintOf(sample, [token], held))).toEqual([0, 0.5]);
  });

  it("keeps pale where no word of any step gains three nats, and is full for no noise", () => {
    const untrained = logged({ gain: [0.6, 0.3] });
    expect(tintOf(untrained, [0], peaksOf(untrained))).toBeCloseTo(0.2);
  });

  it("adds up a word's tokens, and is unknown where one of them is", () => {
    expect(gainOf({ ...logged(), imageGain: [1, 2] }, [0, 1])).toBe(3);
    expect(gainOf({ ...logged(), imageGain: [1, null] }, [0, 1])).toBeNull();
  });

  it("of a log without gains is the strength of the maps", () => {
    const sample = logged({ gain: null });
    const held = covering(peaksOf(sample), { ...peaksOf(sample), whole: 24 });
    expect(tintOf(sample, [1], held)).toBe(0.5);
    expect([isLittle(sample, [0], held), isLittle(sample, [1], held)]).toEqual([true, false]);
  });
});

describe("words that the model would not have said", () => {
  const ranks = (sample: Explanation, rank: number[], probability: number[] = rank.map((other) => (other ? 0.1 : 0.6))) => ({
    ...sample,
    layers: sample.layers.map((one) => ({ ...one, agreement: { probability, rank, top: rank.map(() => ({ id: 1, text: " other", probability: 0.3 })) } })),
  });
  const sample = ranks(explanation("see | a big <end> dog"), [0, 3, 1, 2]);

  it("are those whose first choice at the model's own scale is another", () => {
    expect(insteadOf(sample, [0])).toBeNull();
    expect(insteadOf(sample, [0, 1])!.text).toBe(" other");
    expect(doubtfulUnits(sample, "words", false).map(({ first }) => first)).toEqual([1, 3]);
    expect(doubtfulUnits(sample, "words", true).map(({ first }) => first)).toEqual([1, 2, 3]);
  });

  it("are beside those of which it is unsure, though it would say them", () => {
    const own = ranks(explanation("see | a big <end> dog"), [0, 0, 0, 0], [0.5, 0.49, 0.1, 0.9]);
    expect(doubtfulUnits(own, "words", false).map(({ first }) => first)).toEqual([1]);
    expect(insteadOf(own, [1])).toBeNull();
  });

  it("are walked through in a circle, both ways", () => {
    const doubtful = doubtfulUnits(sample, "words", false);
    expect([[0], [1], [3]].map((at) => followingDoubt(doubtful, at, 1))).toEqual([1, 3, 1]);
    expect([[0], [1], [3]].map((at) => followingDoubt(doubtful, at, -1))).toEqual([3, 3, 1]);
    expect(followingDoubt([], [0], 1)).toBeNull();
  });
});

describe("the influence of words", () => {
  const words = [0, 1].map((first) => ({ first, count: 1, text: ["see", " a"][first]!, how: "hidden" }));
  const measured = (...influence: number[]) => ({ ...logged({ probability: 0.92 }), contextWords: words, influence: Float32Array.from(influence) });

  it("is said of the one word without which it would change most, as how likely it would be then", () => {
    // 0.92 · e^−2.12 = 0.11.
    expect(sentence(said(measured(0, NaN, 2.12, -0.5)))).toContain("without “see”: 0.11");
    expect(sentence(said(measured(0, NaN, 0.1, -0.4)))).toContain("without “a”: 1.00");
  });

  it("is said to be little where it is", () => {
    expect(sentence(said(measured(0, NaN, 0.1, -0.2)))).toContain("no one word of the context changes it much");
  });

  it("counts only words that were measured for all of the tokens, and draws no line for what speaks against", () => {
    const influences = influencesOn(measured(1, NaN, 2, -3), [0, 1]);
    expect(influences.map(({ word, nats }) => [word.text, nats])).toEqual([["see", 3]]);
    const second = influencesOn(measured(1, NaN, 2, -3), [1]);
    expect(second.map((one) => lineOf(one, second))).toEqual([1, 0]);
    expect(influenceIn(second, { first: 1, end: 2 })!.nats).toBe(-3);
  });
});
