// An explanation by occlusion is never spoken of as a lens's: no logits, no scales, no activation.
import { describe, expect, it } from "vitest";
import { explanation, layer } from "./fixture";
import { methodOf } from "../src/data/method";
import { NO_IMAGE } from "../src/data/images";
import { differenceOf } from "../src/pixels/difference_picture";
import { pictureOf, sideOf } from "../src/pixels/stage_picture";
import { covering, peaksOf, rangeOf } from "../src/pixels/range";
import { cardText, keepToken } from "../src/view/selection";
import { INITIAL_VIEW } from "../src/view/state";
import { tintOf } from "../src/words/evidence";

const VIEW = { ...INITIAL_VIEW, token: 0 };

function occluded() {
  const sample = explanation("see | a dog", [layer(null, [[0, 2], [8, 0]])]);
  return { ...sample, occlusion: true, grounding: [null, null] };
}

const side = (sample: ReturnType<typeof explanation>) => sideOf(sample, NO_IMAGE, VIEW);

describe("an explanation by occlusion", () => {
  it("measures nats lost, in a map of that name", () => {
    const picture = pictureOf(side(occluded()), VIEW);
    expect(picture).toMatchObject({ unit: "nats lost", layerText: "occlusion, 1×2", caption: "“a” · occlusion, 1×2" });
    expect(cardText(occluded(), occluded().layers[0]!)).toBe("occlusion");
  });

  it("has relevance alone in its matrix", () => {
    expect(methodOf(occluded()).modes).toEqual(["relevance"]);
  });

  it("tints a word by the most it loses, of the answer's largest loss", () => {
    expect([tintOf(occluded(), [0], peaksOf(occluded())), tintOf(occluded(), [1], peaksOf(occluded())), tintOf(occluded(), [0, 1], peaksOf(occluded()))]).toEqual([0.25, 1, 1]);
    const nothing = { ...occluded(), views: [{ ...occluded().views[0]!, layers: [layer(null, [[0, 0], [0, 0]])] }] };
    expect(tintOf(nothing, [0], peaksOf(nothing))).toBe(0);
  });

  it("opens on the word whose map points most clearly, though no grounding is known", () => {
    expect(keepToken(INITIAL_VIEW, occluded())).toBe(1);
  });

  it("has neither a range nor a difference in common with a lens's", () => {
    const [a, b] = [occluded(), explanation("see | a dog", [layer(null, [[0, 90], [0, 0]])])];
    const view = { ...VIEW, compare: "side", range: "compared" } as const;
    expect(rangeOf(a, a.layers[0]!, null, view, covering(peaksOf(a), peaksOf(b)))).toEqual({ low: 0, high: 8 });
    const difference = differenceOf(side(a), side(b), VIEW);
    expect([difference.map, difference.trouble]).toEqual([null, "No map in common here: B was explained by another method."]);
  });
});

describe("an explanation by a lens", () => {
  it("measures logits over all scales, in three modes", () => {
    const sample = explanation("see | a dog");
    expect(pictureOf(side(sample), VIEW)).toMatchObject({ unit: "logit", layerText: "all scales, 1×2" });
    expect([cardText(sample, sample.layers[1]!), cardText(sample, sample.layers[0]!)]).toEqual(["all scales", "1×"]);
    expect(methodOf(sample).modes).toHaveLength(3);
    // Where no gain was measured: its strongest value of the 3 that the fullest tint has at least.
    expect(tintOf(sample, [0], peaksOf(sample))).toBeCloseTo(1 / 3);
  });
});
