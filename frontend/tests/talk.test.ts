// What a talk goes through, and that it can be read from the last row.
import { describe, expect, it } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { peaksOf } from "../src/pixels/range";
import { layoutOf } from "../src/talk/draw_talk";
import { mapAt, objectsAt, talkOf } from "../src/talk/moments";
import { INITIAL_VIEW, type ViewState } from "../src/view/state";
import { explanation, layer } from "./fixture";

const said = (probability: number[], rank: number[]) => ({ probability, rank, top: rank.map((r) => (r ? { id: 9, text: " cat", probability: 0.6 } : { id: 1, text: " dog", probability: 0.9 })) });

function at(step: number, text: string, probability: number, peak: number): Explanation {
  const words = text.split("|")[1]!.trim().split(" ").length;
  const values = Array.from({ length: words }, (_, i) => [0, i === 1 ? peak : 3]);
  const base = { ...layer(1, values), agreement: said(values.map((_, i) => (i === 1 ? probability : 0.9)), values.map((_, i) => Number(i === 1 && probability < 0.5))) };
  return { ...explanation(text, [base, layer(null, values)]), step };
}

function modelOf(shown: Explanation, film: (Explanation | null | undefined)[] = [], patch: Partial<ViewState> = {}) {
  const view = { ...INITIAL_VIEW, step: shown.step, token: 1, word: " dog", ...patch };
  const image = { bitmap: null, missing: "" };
  const side = { explanation: shown, image, tokens: [1], held: { ...peaksOf(shown), whole: 12 } };
  return { view, explanation: shown, side, image, filmSteps: [0, 100, 400, 500].slice(0, film.length), film: () => film };
}

describe("an answer, word by word", () => {
  const sample = { ...at(5, "see | a dog </s>", 0.25, 6), objects: [{ name: "a dog", tokens: [1], width: 1, height: 1, runs: [0, 1] }] };
  sample.context[3] = { ...sample.context[3]!, special: true };
  const talk = talkOf(modelOf(sample), "answer")!;

  it("has a moment for each word that is shown, and is where the selection is", () => {
    expect(talk.moments.map(({ head, where }) => [head, where])).toEqual([["a", "word 1 of 2"], ["dog", "word 2 of 2"]]);
    expect(talk.now).toBe(1);
    expect(talk.moments.map(({ place }) => place)).toEqual([{ token: 0 }, { token: 1 }]);
  });

  it("tells how likely each is, what would have been said instead, and what it names", () => {
    const [first, second] = talk.moments;
    expect([first!.probability, first!.instead]).toEqual([0.9, ""]);
    expect([second!.probability, second!.instead]).toEqual([0.25, "cat"]);
    expect(objectsAt(first!)).toEqual([]);
    expect(objectsAt(second!)).toEqual(sample.objects);
    expect([...mapAt(second!, talk.view)!.values]).toEqual([0, 6]);
  });

  it("holds its colours to all steps, or to what was fixed", () => {
    expect(talk.high).toBe(12);
    expect(talkOf(modelOf(sample, [], { range: "fixed", fixedMax: 7 }), "answer")!.high).toBe(7);
  });
});

describe("a word over the steps", () => {
  const film = [at(0, "see | a dog", 0.1, 2), null, undefined, at(500, "see | a dog", 0.8, 8)];
  const talk = talkOf(modelOf(film[3]!, film), "steps")!;

  it("leaves out what is damaged or still to come, and says so of the latter", () => {
    expect(talk.moments.map(({ where }) => where)).toEqual(["step 0", "step 500"]);
    expect([talk.coming, talk.now]).toEqual([1, 1]);
  });

  it("spaces the steps truly, and has one range for all of them: the word's own", () => {
    const whole = talkOf(modelOf(film[3]!, [film[0], at(100, "see | a dog", 0.5, 3), at(400, "see | a dog", 0.5, 4), film[3]]), "steps")!;
    expect(whole.moments.map(({ at }) => at)).toEqual([0, 0.2, 0.8, 1]);
    expect(whole.high).toBe(8);
  });

  it("shows nothing in the place of a word that an answer does not have", () => {
    const other = talkOf(modelOf(film[3]!, [at(0, "see | a cow", 0.1, 2), film[3]]), "steps")!;
    expect(other.moments[0]).toMatchObject({ head: "dog", where: "step 0 · not in this answer", probability: NaN, tokens: [] });
    expect(mapAt(other.moments[0]!, other.view)).toBeNull();
  });
});

it.each([[1920, 1080], [1280, 720], [800, 600], [420, 800], [1024, 1366]])("has room for everything at %i × %i, in letters that the last row reads", (width, height) => {
  const { picture, said, answer, word, small, lines } = layoutOf({ width, height });
  for (const { x, y, width: wide, height: tall } of [picture, said, answer]) {
    expect(Math.min(x, y, wide, tall)).toBeGreaterThan(0);
    expect(x + wide).toBeLessThanOrEqual(width);
    expect(y + tall).toBeLessThanOrEqual(height);
  }
  // Word, where it is, what was said instead, probability and legend leave the curve some.
  expect(said.height).toBeGreaterThan(1.22 * word + 8 * small);
  expect(small).toBeGreaterThanOrEqual(Math.min(height / 30, width / 17));
  expect(answer.height / lines / 1.5).toBeGreaterThan(0.9 * small);
});
