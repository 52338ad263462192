// What a reload of the log brings, and what it takes away.
import { expect, it } from "vitest";
import type { IndexResponse, PanelApi, RunEntry } from "../src/data/api";
import { ExplanationSource } from "../src/data/explanation_source";
import { PanelModel } from "../src/view/model";
import { INITIAL_VIEW, type ViewState } from "../src/view/state";
import type { StepLoader } from "../src/data/step_loader";
import { sampleName } from "../src/view/text";
import { explanation } from "./fixture";

function run(name: string, steps: number[], more: Partial<RunEntry> = {}, time = 0): RunEntry {
  const sample = { tag: "mmx/val/0", set: "val", sample: "0", steps, wall_times: steps.map((step) => step + time) };
  return { run: name, samples: [sample], images: [], ...more };
}

/** A model over a log that `log` replaces. */
async function opened(runs: RunEntry[], view: Partial<ViewState> = {}) {
  let index: IndexResponse = { version: 1, runs };
  const asked: string[] = [];
  const api = { index: () => Promise.resolve(index), records: () => Promise.resolve([]) } as unknown as PanelApi;
  const loader: StepLoader = {
    load: (_id, name, _tag, steps) => {
      asked.push(...steps.map((step) => `${name} ${step}`));
      return Promise.resolve({ results: steps.map((step) => ({ step, explanation: { ...explanation("| a dog"), run: name, step } })) });
    },
    cancel: () => {},
  };
  const model = new PanelModel(api, new ExplanationSource(loader), { ...INITIAL_VIEW, ...view });
  await model.refresh();
  const log = (now: RunEntry[]) => {
    index = { version: 1, runs: now };
    return model.refresh();
  };
  return { model, log, asked };
}

it("counts the new steps of what is shown until the reader acts", async () => {
  const { model, log } = await opened([run("a", [0])], { run: "a" });
  await log([run("a", [0, 1])]);
  expect(model.news).toBe("1 new step");
  await log([run("a", [0, 1, 2])]);
  expect(model.news).toBe("2 new steps");
  await model.change({ grey: false });
  expect(model.news).toBe("");
});

it("forgets the new steps of a run that is gone, and of those that a resume has dropped", async () => {
  const { model, log } = await opened([run("a", [0, 1]), run("b", [0])], { run: "a" });
  await log([run("a", [0, 1, 2]), run("b", [0])]);
  await log([run("a", [0, 1]), run("b", [0])]);
  expect(model.news).toBe("");
  await log([run("a", [0, 1, 2]), run("b", [0])]);
  await log([run("b", [0])]);
  expect(model.news).toBe("");
  expect(model.notice).toBe("The run “a” is not here; this is “b”.");
  await log([run("a", [0, 1, 2]), run("b", [0])]);
  expect([model.view.run, model.notice, model.news]).toEqual(["b", "", ""]);
});

it("says which step is shown in place of one that is not here", async () => {
  const { model } = await opened([run("a", [5, 1000]), run("b", [5])], { run: "a", step: 77 });
  expect([model.view.step, model.notice]).toEqual([5, "Step 77 of this sample is not here; this is step 5."]);
  await model.change({ step: 1000 });
  expect([model.view.step, model.notice]).toEqual([1000, ""]);
  await model.change({ run: "b" });
  expect([model.view.step, model.notice]).toEqual([5, "Step 1,000 of this sample is not here; this is step 5."]);
});

it("tells nothing once there is nothing", async () => {
  const { model, log } = await opened([run("a", [0])], { run: "x", compare: "side" });
  expect(model.notice).toContain("“x”");
  await log([]);
  expect([model.status.kind, model.notice, model.news, model.other, model.explanation]).toEqual(["empty", "", "", null, null]);
});

it("has no B of a run that is gone", async () => {
  const { model, log } = await opened([run("a", [0]), run("b", [0])], { run: "a", compare: "side", otherRun: "b" });
  expect(model.other?.explanation.run).toBe("b");
  await log([run("a", [0])]);
  expect([model.other, model.otherPlace]).toEqual([null, null]);
  expect(model.otherTrouble).toContain("“b” is not here");
});

it("reads a record again that another has replaced, or that has been away", async () => {
  const { model, log, asked } = await opened([run("a", [5])], { run: "a" });
  await log([run("a", [5], {}, 100)]);
  await log([run("b", [5])]);
  await log([run("a", [5], {}, 100)]);
  expect(model.view.run).toBe("a");
  expect(asked).toEqual(["a 5", "a 5", "b 5", "a 5"]);
});

it("shows the earlier index no more once a later one has come", async () => {
  const { model } = await opened([run("a", [0])]);
  const answers: ((index: IndexResponse) => void)[] = [];
  model.api.index = () => new Promise((answer) => answers.push(answer));
  const both = [model.refresh(), model.refresh()];
  answers[1]!({ version: 1, runs: [run("a", [0, 1, 2])] });
  answers[0]!({ version: 1, runs: [run("a", [0, 1])] });
  await Promise.all(both);
  expect(model.steps).toEqual([0, 1, 2]);
});

it("knows a run by a directory that is part of it, for A and for B", async () => {
  const runs = [run("a", [0], { starts: ["a/mmx-1", "a/mmx-2"] }), run("b", [0, 1, 2])];
  const { model } = await opened(runs, { run: "a/mmx-1", compare: "side", otherRun: "a/mmx-2" });
  expect([model.view.run, model.otherPlace?.run, model.notice]).toEqual(["a", "a", ""]);
});

it("says of a sample that was lost where it can still be read", async () => {
  const lost = { tag: "mmx/val/grounding", set: "val", sample: "grounding", steps: [], wall_times: [], lost: [0, 1] };
  const whole = run("a", [0]);
  const { model } = await opened([{ ...whole, samples: [lost, ...whole.samples] }], { run: "a" });
  expect(model.view.tag).toBe("mmx/val/0");
  await model.change({ tag: lost.tag });
  expect(model.status).toMatchObject({ kind: "damaged", message: expect.stringContaining("gave its tag to a scalar") });
  expect(model.explanation).toBeNull();
});

it("writes names as their users do, and leaves alone what is no escape", () => {
  const names = { "mmx/val/C:%5Cimg%5C1": "val/C:\\img\\1", "mmx/val/5%22": 'val/5"', "mmx/val/50%": "val/50%", "mmx/val/%zz%25": "val/%zz%", "mmx/val/%FF%C3%A9": "val/%FF%C3%A9", "mmx/val/%C3%A9": "val/é" };
  for (const [tag, name] of Object.entries(names)) expect(sampleName(tag)).toBe(name);
});
