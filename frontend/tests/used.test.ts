// Seen and used: whether the cells that a word depends on are those that would say it.
import { describe, expect, it } from "vitest";
import { type Explanation, shownLayers } from "../src/data/explanation";
import { spanMap } from "../src/pixels/heatmap";
import { pictureOf, sideOf } from "../src/pixels/stage_picture";
import { peaksOf, rangeOf } from "../src/pixels/range";
import { changedBy } from "../src/view/keys";
import { layerIndex } from "../src/view/selection";
import { INITIAL_VIEW } from "../src/view/state";
import { clausesOf } from "../src/words/sentence";
import { useOf } from "../src/words/used";
import { explanation, layer } from "./fixture";

/** Of one word on 3 × 3 cells: what would say it, what it loses without each, what the picture adds. */
function measured(said: number[], lost: number[], gain: number | null = 5): Explanation {
  const used = { ...layer(null, [lost], 3), used: true };
  const sample = explanation("see | dog", [layer(1, [said], 3), layer(null, [said], 3)]);
  return { ...sample, used, views: [{ ...sample.views[0]!, used }], imageGain: gain === null ? null : [gain] };
}

const AT_LEFT = [10, 0, 0, 0, 0, 0, 0, 0, 0];
const NONE = new Array<number>(9).fill(0);
const kind = (...given: Parameters<typeof measured>) => useOf(measured(...given), [0], peaksOf(measured(...given)))?.kind;

describe("seen and used", () => {
  it("are the same where hiding what would say a word costs it something", () => {
    expect(kind(AT_LEFT, [2, 1, 0, 1, 1, 0, 0, 0, 0])).toBe("same");
  });

  it("differ where the word loses nothing without what would say it, nor with other pictures", () => {
    expect(kind(AT_LEFT, NONE, 0)).toBe("unused");
  });

  it("do not differ where only no part alone is needed: others may hold the same", () => {
    expect(kind(AT_LEFT, NONE, 5)).toBe("together");
    expect(kind(AT_LEFT, NONE, null)).toBe("none");
  });

  it("differ where what the word depends on would not say it", () => {
    expect(kind(NONE, [0, 0, 0, 0, 0, 0, 0, 1, 2])).toBe("unseen");
    expect(kind(AT_LEFT, [0, 0, 0, 0, 0, 0, 0, 1, 2])).toBe("elsewhere");
    expect(kind(AT_LEFT, [0.9, 0, 0, 0, 0, 0, 0, 0, 2])).toBe("same");
    expect(kind(NONE, [0, 0, 0, 0, 0, 0, 0, 0, 0.9])).not.toBe("unseen");
  });

  it("are compared on one grid", () => {
    const fine = measured(AT_LEFT, [2, 0, 0, 0, 0, 0, 0, 0, 0]);
    const twice = layer(null, [Array.from({ length: 36 }, (_, i) => (i % 6 < 2 && i < 12 ? 10 : 0))], 6);
    expect(useOf({ ...fine, layers: [twice] }, [0], peaksOf(fine))?.kind).toBe("same");
  });

  it("stand in the sentence, with the term that states the rule where they differ", () => {
    const clause = (sample: Explanation) => clausesOf({ explanation: sample, tokens: [0], held: peaksOf(sample) }, INITIAL_VIEW).find(({ term }) => term === "used" || term === "disagrees");
    expect(clause(measured(AT_LEFT, NONE, 0))).toEqual({ text: "it is seen there and does not depend on it: hidden, that costs 0.0 nats", term: "disagrees" });
    expect(clause(measured(AT_LEFT, [2, 0, 0, 0, 0, 0, 0, 0, 0]))).toEqual({ text: "hidden, they cost it 2.0 nats", term: "used" });
    expect(clause({ ...measured(AT_LEFT, NONE), used: null })).toBeUndefined();
  });
});

describe("the map of what was used", () => {
  const sample = measured(AT_LEFT, [0.5, 0, 0, 0, 0, 0, 0, 0, -1]);

  it("is shown with a range and a unit of its own, and no next to nothing is bright", () => {
    const view = { ...INITIAL_VIEW, layer: "used", token: 0 };
    const picture = pictureOf(sideOf(sample, { bitmap: null, missing: "" }, view), view);
    expect(picture).toMatchObject({ unit: "nats lost", range: { low: 0, high: 1 }, caption: "“dog” · used: less likely when hidden, 3×3" });
    expect(rangeOf(sample, sample.used!, null, view, { ...peaksOf(sample), used: 8 })).toEqual({ low: 0, high: 8 });
  });

  it("comes and goes by a key, and gives way to the others where it was not measured", () => {
    const on = changedBy("u", INITIAL_VIEW, sample)!;
    expect(layerIndex({ ...INITIAL_VIEW, ...on }, sample)).toBe(shownLayers(sample).indexOf(sample.used!));
    expect(changedBy("u", { ...INITIAL_VIEW, ...on }, sample)).toEqual({ layer: "msea" });
    const without = { ...sample, used: null };
    expect(changedBy("u", INITIAL_VIEW, without)).toBeUndefined();
    expect(layerIndex({ ...INITIAL_VIEW, ...on }, without)).toBe(1);
  });

  it("of several tokens is what they lose together, whatever is wished of the others", () => {
    const two = layer(null, [[1, 2], [3, -1]]);
    expect([...spanMap({ ...two, used: true }, [0, 1], "mean")!.values]).toEqual([4, 1]);
    expect([...spanMap(two, [0, 1], "mean")!.values]).toEqual([2, 0.5]);
  });
});
