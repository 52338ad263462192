import { describe, expect, it } from "vitest";
import { alternativeKey, alternativeOf } from "../src/words/alternative";
import { alternativeText } from "../src/words/alternative_note";
import { whyNot } from "../src/words/candidate_search";
import { type Explanation, type View, seenAt } from "../src/data/explanation";
import { NO_IMAGE } from "../src/data/images";
import { nextFrame, percentText, sharesOf, textShare } from "../src/pixels/pictures";
import { picturesOf, seenName, viewName } from "../src/pixels/seen";
import { pictureInView } from "../src/pixels/alternative_picture";
import { sideOf } from "../src/pixels/stage_picture";
import { INITIAL_VIEW } from "../src/view/state";
import { explanation, layer } from "./fixture";

/** One of the sample's views: of which picture, when shown, what share of each token, how bright. */
function view(picture: number, seconds: number[], share: (number | null)[] | null, peak = 1): View {
  const maps = [[0, peak], [0, peak / 2]];
  const alternative = layer(null, [[0, 3 * peak], [0, peak]]);
  return { image: null, layers: [layer(1, maps), layer(null, maps)], alternative, share, picture, seconds };
}

/** An image, and two videos of two frames each; "dog" might have been " cat", " this" has a map. */
function mixed(): Explanation {
  const views = [
    view(0, [], [0.5, 0.25], 1),
    view(1, [0, 0.5], [0.1, null], 4),
    view(1, [1, 1.5], [0.2, 0.75], 2),
    view(2, [0], [0, 0]),
    view(2, [1 / 3], [0, 0]),
  ];
  const base = explanation("see this | a dog");
  const alternatives = [
    { context: 3, candidate: { id: 99, text: " cat", probability: 0.125 } },
    { context: 1, candidate: { id: 1, text: " this", probability: 0.25 } },
  ];
  const { image, layers, alternative } = views[0]!;
  return { ...base, views, image, layers, alternative, alternatives };
}

describe("a sample's images and videos", () => {
  it("are told apart, and named", () => {
    const all = mixed();
    expect(picturesOf(all)).toEqual([
      { index: 0, video: false, views: [0] },
      { index: 1, video: true, views: [1, 2] },
      { index: 2, video: true, views: [3, 4] },
    ]);
    expect(all.views.map(viewName)).toEqual(["image 1", "0–0.5 s", "1–1.5 s", "0 s", "0.33 s"]);
    expect([0, 2, 4].map((i) => seenName(seenAt(all, i)))).toEqual(["image 1", "video 2, 1–1.5 s", "video 3, 0.33 s"]);
    expect(seenName(explanation("| a"))).toBe("");
  });

  it("have shares that leave the rest to the words, unknown where one of them is", () => {
    const all = mixed();
    expect(sharesOf(all, [0])).toEqual([0.5, 0.1, 0.2, 0, 0]);
    expect(textShare(sharesOf(all, [0]))).toBeCloseTo(0.2);
    expect(sharesOf(all, [1])[1]).toBeNull();
    expect(sharesOf(all, [0, 1])[2]).toBeCloseTo(0.475);
    expect(textShare(sharesOf(all, [1]))).toBeNull();
    expect([percentText(0.714), percentText(null)]).toEqual(["71 %", "–"]);
  });

  it("play from a video's last frame to its first, and never into another sample's", () => {
    const pictures = picturesOf(mixed());
    expect([1, 2].map((i) => nextFrame(pictures, 1, i))).toEqual([2, 1]);
    expect(nextFrame(pictures, 2, 1)).toBe(3);
    expect([0, 7].map((video) => nextFrame(pictures, video, 0))).toEqual([null, null]);
  });
});

describe("what the stage shows of them", () => {
  const shown = (image: number, patch = {}) => {
    const state = { ...INITIAL_VIEW, token: 1, image, ...patch };
    return pictureInView(sideOf(seenAt(mixed(), image), NO_IMAGE, state), state);
  };

  it("is in one range, that of the brightest of them", () => {
    expect([0, 1, 2].map((i) => shown(i).range.high)).toEqual([4, 4, 4]);
    expect([0, 1].map((i) => shown(i, { range: "map" }).range.high)).toEqual([0.5, 2]);
    expect(shown(2).caption).toBe("“dog” · video 2, 1–1.5 s · all scales, 1×2");
    expect(shown(2).alternative).toBe(false);
  });

  it("is a word that was not said, under its name and in one range, too", () => {
    const alternative = alternativeKey(mixed().alternatives[0]!);
    expect(shown(0, { alternative })).toMatchObject({
      alternative: true,
      caption: "not said: “cat” in place of “dog” · image 1 · all scales, 1×2",
      map: { values: Float32Array.of(0, 3) },
      range: { low: 0, high: 12 },
    });
    expect(shown(1, { alternative }).range.high).toBe(12);
    expect(shown(0, { alternative, range: "map" }).range.high).toBe(3);
  });
});

describe("a word beside the answer", () => {
  it("is found again where its place in the list has changed, and not shown while comparing", () => {
    const all = mixed();
    const turned = { ...all, alternatives: [...all.alternatives].reverse() };
    const alternative = alternativeKey(all.alternatives[0]!);
    expect([all, turned].map((entry) => alternativeOf(entry, { alternative, compare: "single" }))).toEqual([0, 1]);
    expect(alternativeOf(all, { alternative, compare: "side" })).toBeNull();
    expect(alternativeOf(explanation("| a"), { alternative, compare: "single" })).toBeNull();
    expect(alternativeOf(all, { alternative: "", compare: "single" })).toBeNull();
  });

  it("is either not said or asked", () => {
    const all = mixed();
    expect(all.alternatives.map((entry) => alternativeText(all, entry))).toEqual(["not said: “cat” in place of “dog”", "asked: “this”"]);
  });

  it("is found by who types it, with its probability", () => {
    expect(whyNot(mixed(), 1, "cat")).toEqual({ rank: null, probability: 0.125, mappedBy: null, alternative: 0 });
    expect(whyNot(mixed(), 0, "cat").alternative).toBeNull();
  });
});
