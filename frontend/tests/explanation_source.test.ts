import { expect, it, vi } from "vitest";
import { ExplanationSource } from "../src/data/explanation_source";
import { WorkerLoader } from "../src/data/step_loader";
import type { WorkerReply, WorkerRequest } from "../src/data/step_loader";
import { explanation } from "./fixture";

/** A worker that answers when told to. */
function fakeWorker() {
  const worker = {
    sent: [] as (WorkerRequest & { cancel?: number })[],
    onmessage: (_: { data: WorkerReply }) => {},
    postMessage: (message: WorkerRequest) => worker.sent.push(message),
  };
  /** With the first `count` of the steps that were asked for. */
  const answer = (request: WorkerRequest, count = Infinity) => {
    const steps = stepsOf(request).slice(0, count);
    const results = steps.map((step) => ({ step, explanation: { ...explanation("| a"), step, bytes: 1 } }));
    worker.onmessage({ data: { id: request.id, results } });
  };
  return { worker, answer, source: new ExplanationSource(new WorkerLoader("http://host/x/", () => worker as unknown as Worker)) };
}
const stepsOf = ({ url }: WorkerRequest) => new URL(url).searchParams.getAll("step").map(Number);
const place = (step: number) => ({ run: "r", tag: "t", step });

it("asks once for what is asked for twice, and never for what it holds", async () => {
  const { worker, answer, source } = fakeWorker();
  const both = [source.load(place(1)), source.load(place(1))];
  expect(worker.sent).toHaveLength(1);
  answer(worker.sent[0]!);
  expect((await both[0]!).step).toBe((await both[1]!).step);
  await source.load(place(1));
  expect(worker.sent).toHaveLength(1);
});

it("fetches neighbours in one request, and waits for it when one is wanted", async () => {
  const { worker, answer, source } = fakeWorker();
  source.prefetch("r", "t", [1, 2, 3]);
  const wanted = source.load(place(2));
  expect(worker.sent.map(({ url }) => url)).toEqual(["http://host/x/blobs?run=r&tag=t&step=1&step=2&step=3"]);
  answer(worker.sent[0]!);
  expect((await wanted).step).toBe(2);
  expect(source.cached(place(3))?.step).toBe(3);
});

it("asks again for the steps that an answer left out, as long as any come", async () => {
  const { worker, answer, source } = fakeWorker();
  source.prefetch("r", "t", [1, 2, 3]);
  const wanted = source.load(place(3));
  answer(worker.sent[0]!, 1);
  await vi.waitFor(() => expect(worker.sent).toHaveLength(2));
  expect(source.cached(place(1))?.step).toBe(1);
  expect(worker.sent[1]!.url).toContain("&step=2&step=3");
  answer(worker.sent[1]!);
  expect((await wanted).step).toBe(3);
  const never = source.load(place(4));
  answer(worker.sent[2]!, 0);
  await expect(never).rejects.toThrow("lacks this step");
  expect(worker.sent).toHaveLength(3);
});

it("asks again for a step that was logged again while it was on its way", async () => {
  const { worker, answer, source } = fakeWorker();
  const wanted = source.load(place(1));
  source.forgetStep(place(1));
  answer(worker.sent[0]!);
  await vi.waitFor(() => expect(worker.sent).toHaveLength(2));
  expect(source.cached(place(1))).toBeUndefined();
  answer(worker.sent[1]!);
  expect((await wanted).step).toBe(1);
  expect(source.cached(place(1))?.step).toBe(1);
  source.forgetStep(place(1));
  void source.load(place(1));
  expect(worker.sent).toHaveLength(3);
});

it("gives up requests that nobody waits for any more", async () => {
  const { worker, source } = fakeWorker();
  const stale = source.load(place(1));
  const failed = vi.fn();
  stale.catch(failed);
  source.dropStale([place(2)]);
  await expect(stale).rejects.toThrow("no longer wanted");
  expect(worker.sent.at(-1)).toEqual({ cancel: 0 });
  expect(failed).toHaveBeenCalled();
});

it("takes one request after another for what can wait, and none any more once the reader has gone on", async () => {
  const { worker, answer, source } = fakeWorker();
  const waiting = Array.from({ length: 20 }, (_, step) => place(step));
  void source.prefetchAll([...waiting, { run: "s", tag: "t", step: 7 }]);
  expect(worker.sent.map(stepsOf)).toEqual([[0, 1, 2, 3, 4, 5, 6, 7]]);
  const wanted = source.load(place(19));
  answer(worker.sent[1]!);
  expect((await wanted).step).toBe(19);
  answer(worker.sent[0]!);
  await vi.waitFor(() => expect(worker.sent).toHaveLength(3));
  answer(worker.sent[2]!);
  await vi.waitFor(() => expect(worker.sent).toHaveLength(4));
  expect(stepsOf(worker.sent[3]!)).toEqual([16, 17, 18]);
  source.dropStale([place(16)]);
  answer(worker.sent[3]!);
  await vi.waitFor(() => expect(source.cached(place(18))?.step).toBe(18));
  await Promise.resolve();
  expect(worker.sent).toHaveLength(4);
});
