import { afterEach, describe, expect, it, vi } from "vitest";
import type { IndexResponse, PanelApi } from "../src/data/api";
import { embed } from "../src/data/page";
import { CACHE_BYTES, ExplanationSource } from "../src/data/explanation_source";
import { PanelModel } from "../src/view/model";
import { INITIAL_VIEW, type ViewState } from "../src/view/state";
import type { StepLoader } from "../src/data/step_loader";
import { pictureOf } from "../src/pixels/stage_picture";
import { explanation, layer } from "./fixture";

const STEPS = Array.from({ length: 50 }, (_, i) => 10 * i);
const DAMAGED = 0;
const index: IndexResponse = {
  version: 1,
  runs: [
    { run: "r", samples: [{ tag: "mmx/val/0", set: "val", sample: "0", steps: STEPS, wall_times: STEPS }], images: [] },
  ],
};
const api: PanelApi = {
  index: () => Promise.resolve(index),
  records: () => Promise.resolve([{ tag: "mmx/val/0", step: 0, image: "gone" }] as never),
  image: () => Promise.reject(new Error("none")),
  imageAddress: (_, hash) => (hash === "gone" ? "http://host/gone" : `data:image/png;base64,${hash}`),
  blobs: () => Promise.resolve([Uint8Array.of(1)]),
};

/** Every step but the first, each of so many bytes. */
function loading(bytes: number): StepLoader {
  const result = (step: number) =>
    step === DAMAGED ? { step, damage: "cut short" } : { step, explanation: { ...explanation("| a dog"), step, bytes } };
  return { load: (_id, _run, _tag, steps) => Promise.resolve({ results: steps.map(result) }), cancel: () => {} };
}

async function shown(view: Partial<ViewState>, bytes = 1): Promise<PanelModel> {
  const model = new PanelModel(api, new ExplanationSource(loading(bytes)), { ...INITIAL_VIEW, ...view });
  await model.refresh();
  return model;
}

describe("the strip over steps", () => {
  it("has every step, and knows a damaged one from one to come", async () => {
    const model = await shown({ film: true });
    await vi.waitFor(() => expect(model.film()).not.toContain(null));
    expect(model.filmSteps).toEqual(STEPS);
    expect(model.film().map((entry) => entry?.step)).toEqual([undefined, ...STEPS.slice(1)]);
  });

  it("has of a series beyond the cache as many steps as fit, with the first, the last and the one shown", async () => {
    const bytes = CACHE_BYTES / 16;
    const model = await shown({ film: true, step: 20 }, bytes);
    await vi.waitFor(() => expect(model.film()).not.toContain(null));
    const { filmSteps } = model;
    expect(filmSteps.length * bytes).toBeLessThan(CACHE_BYTES);
    expect(filmSteps.length).toBeGreaterThan(4);
    expect(filmSteps).toEqual(expect.arrayContaining([0, 20, 490]));
  });
});

describe("the range of the colours", () => {
  const high = (model: PanelModel) => pictureOf(model.side!, model.view, model.otherSide).range.high;
  /** Maps that grow with the step: their largest value is the step. */
  const growing: StepLoader = {
    load: (_id, run, tag, steps) =>
      Promise.resolve({ results: steps.map((step) => ({ step, explanation: { ...explanation("| a dog", [layer(null, [[0, step], [0, 1]])]), run, tag, step, bytes: 1 } })) }),
    cancel: () => {},
  };
  const opened = async (view: Partial<ViewState>, loader = growing) => {
    const model = new PanelModel(api, new ExplanationSource(loader), { ...INITIAL_VIEW, ...view });
    await model.refresh();
    return model;
  };

  it("holds over all steps of the sample, also those that are not in view", async () => {
    const model = await opened({ step: 20 });
    await vi.waitFor(() => expect(high(model)).toBe(490));
    expect(model.side!.held).toMatchObject({ steps: 50, total: 50 });
    await model.change({ step: 0 });
    expect(high(model)).toBe(490);
    await model.change({ range: "step", step: 20 });
    expect(high(model)).toBe(20);
  });

  it("is told by the same object while nothing has changed, so that nothing is drawn again", async () => {
    const model = await opened({ step: 20 });
    await vi.waitFor(() => expect(high(model)).toBe(490));
    expect(model.side!.held).toBe(model.side!.held);
  });

  it("is of some steps, evenly spread, where all would be too much to read", async () => {
    const large: StepLoader = { ...growing, load: async (...wanted) => {
      const reply = await growing.load(...wanted);
      return "results" in reply ? { results: reply.results.map((one) => ("explanation" in one ? { ...one, explanation: { ...one.explanation, bytes: 4_000_000 } } : one)) } : reply;
    } };
    const model = await opened({ step: 20 }, large);
    await vi.waitFor(() => expect(high(model)).toBe(490));
    expect(model.side!.held.steps).toBeLessThan(15);
  });
});

it("keeps a token that an address gives within the answer, also while the panel is open", async () => {
  const model = await shown({ token: -5 });
  expect(model.view.token).toBe(0);
  for (const [given, kept] of [[-5, 0], [99, 1]] as const) {
    await model.change({ token: given, more: 3 });
    expect(model.view).toMatchObject({ token: kept, more: 1 - kept, word: kept ? " dog" : " a" });
  }
});

it("has no B for a run that is not here, and says so", async () => {
  const model = await shown({ compare: "side", otherRun: "other" });
  expect(model.other).toBeNull();
  expect(model.otherTrouble).toContain("“other” is not here");
});

describe("a page of its own", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("has the images that the explanations name, and does without a missing one", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
    const data = await embed(api, index, [{ run: "r", tag: "mmx/val/0", step: 0, images: ["known"] }], {});
    expect(data.images).toEqual({ known: "data:image/png;base64,known" });
    expect(data.explanations).toHaveLength(1);
  });
});
