// Steps whose images or frames are not the same ones: what is in view is found by what it shows.
import { expect, it, vi } from "vitest";
import type { IndexResponse, PanelApi } from "../src/data/api";
import type { Explanation, View } from "../src/data/explanation";
import { ExplanationSource } from "../src/data/explanation_source";
import { PanelModel } from "../src/view/model";
import { NO_SUCH_IMAGE } from "../src/data/images";
import { differenceOf } from "../src/pixels/difference_picture";
import { pictureOf } from "../src/pixels/stage_picture";
import { INITIAL_VIEW, type ViewState } from "../src/view/state";
import { explanation, layer } from "./fixture";

// A video at two frames a second; the same at one; and an image and the video at two.
const TIMES: Record<number, [picture: number, seconds: number[]][]> = {
  10: [[0, [0, 0.5]], [0, [1, 1.5]], [0, [2, 2.5]]],
  20: [[0, [0, 1]], [0, [2, 3]]],
  30: [[0, []], [1, [0, 0.5]], [1, [1, 1.5]]],
  40: [[0, [1, 1.5]], [0, [0, 0.5]]],
  50: [[0, [0]], [0, [0]], [0, [0]]],
};
const steps = Object.keys(TIMES).map(Number);
const index: IndexResponse = {
  version: 1,
  runs: [{ run: "r", samples: [{ tag: "mmx/val/0", set: "val", sample: "0", steps, wall_times: steps }], images: [] }],
};
const api: PanelApi = {
  index: () => Promise.resolve(index),
  records: () => Promise.resolve([]),
  image: () => Promise.reject(new Error("none")),
  imageAddress: () => "",
  blobs: () => Promise.resolve([Uint8Array.of(1)]),
};

function at(step: number): Explanation {
  const views = TIMES[step]!.map(([picture, seconds], i): View => {
    const maps = [layer(1, [[step, i], [step, i]]), layer(null, [[step, i], [step, i]])];
    return { image: null, layers: maps, alternative: null, share: null, picture, seconds };
  });
  return { ...explanation("| a dog"), step, views, layers: views[0]!.layers, bytes: 1 };
}

async function shown(view: Partial<ViewState>): Promise<PanelModel> {
  const load = (_id: unknown, _run: string, _tag: string, wanted: number[]) =>
    Promise.resolve({ results: wanted.map((step) => ({ step, explanation: at(step) })) });
  const source = new ExplanationSource({ load, cancel: () => {} } as never);
  const model = new PanelModel(api, source, { ...INITIAL_VIEW, ...view });
  await model.refresh();
  return model;
}

it("compares a frame with the frame of the same moment, wherever it is", async () => {
  const model = await shown({ step: 10, image: 1, compare: "side", otherStep: 40 });
  expect([...model.otherSide!.explanation.layers[0]!.values!]).toEqual([40, 0, 40, 0]);
  expect(model.otherSide!.tokens).toEqual([0]);
});

it("says that B lacks a moment or an image, and compares it with no other", async () => {
  for (const otherStep of [20, 30]) {
    const model = await shown({ step: 10, image: 1, compare: "side", otherStep });
    const [a, b] = [model.side!, model.otherSide!];
    expect(b.image).toBe(NO_SUCH_IMAGE);
    const picture = pictureOf(b, model.view, a);
    expect(picture).toMatchObject({ map: null, caption: "", trouble: "no such image here" });
    expect(differenceOf(a, b, model.view)).toMatchObject({ map: null, trouble: expect.stringContaining("the image") });
  }
});

it("shows in the strip over steps the same moment at each, and no map where there is none", async () => {
  const model = await shown({ step: 10, image: 1, film: true });
  await vi.waitFor(() => expect(model.film()).not.toContain(null));
  const first = model.film().map((entry) => entry!.layers[0]!.values);
  expect(first.map((values) => values && [...values])).toEqual([[10, 1, 10, 1], null, null, [40, 0, 40, 0], null]);
});

it("takes the frame in view for itself where frames share their times", async () => {
  const model = await shown({ step: 50, image: 2, film: true, compare: "side", otherStep: 50 });
  await vi.waitFor(() => expect(model.film()).not.toContain(null));
  expect([...model.film().at(-1)!.layers[0]!.values!]).toEqual([50, 2, 50, 2]);
  expect([...model.otherSide!.explanation.layers[0]!.values!]).toEqual([50, 2, 50, 2]);
});

it("keeps what it has to tell while a video plays, and not beyond the reader's own change", async () => {
  const model = await shown({ run: "gone", step: 10, image: 0 });
  expect(model.notice).toContain("“gone” is not here");
  await model.change({ image: 1 });
  expect(model.notice).toContain("“gone” is not here");
  await model.change({ grey: !model.view.grey });
  expect(model.notice).toBe("");
  await model.change({ ...model.view, tag: "mmx/val/gone" }); // a link
  expect(model.notice).toContain("“val/gone” is not in this run");
  await model.change({ ...model.view, image: 0 });
  expect(model.notice).toBe("");
});

it("leaves a word beside the answer for another scale or a span, but not where a link asks for it", async () => {
  const model = await shown({ step: 10, alternative: "0:1" });
  expect(model.view.alternative).toBe("0:1");
  await model.change({ grey: !model.view.grey });
  expect(model.view.alternative).toBe("0:1");
  await model.change({ layer: "1" });
  expect(model.view.alternative).toBe("");
  await model.change({ alternative: "0:1" });
  await model.change({ more: 1 });
  expect(model.view.alternative).toBe("");
  await model.change({ ...model.view, more: 0, alternative: "0:1" });
  expect(model.view.alternative).toBe("0:1");
});
