// Fetches and decodes off the main thread, so that scrubbing never waits for either.
import { decodeBlobsResponse, type StepResult } from "./blobs_response";
import { layersOf } from "./decode";
import { ServerError, fetchChecked } from "./fetch_checked";
import { reason } from "./reason";
import type { WorkerCancel, WorkerReply, WorkerRequest } from "./step_loader";

interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerRequest | WorkerCancel>) => void) | null;
  postMessage(reply: WorkerReply, transfer?: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
const running = new Map<number, AbortController>();

scope.onmessage = ({ data }) => {
  if ("cancel" in data) {
    running.get(data.cancel)?.abort();
    running.delete(data.cancel);
  } else {
    void answer(data);
  }
};

async function answer(request: WorkerRequest): Promise<void> {
  const controller = new AbortController();
  running.set(request.id, controller);
  try {
    const response = await fetchChecked(request.url, controller.signal);
    const results = await decodeBlobsResponse(await response.arrayBuffer(), request.run, request.tag);
    if (running.has(request.id)) scope.postMessage({ id: request.id, results }, buffersOf(results));
  } catch (error) {
    if (controller.signal.aborted) return;
    const kind = error instanceof ServerError ? error.kind : "refused";
    scope.postMessage({ id: request.id, failure: { kind, message: reason(error) } });
  } finally {
    running.delete(request.id);
  }
}

function buffersOf(results: StepResult[]): ArrayBuffer[] {
  return results.flatMap((result) => {
    if (!("explanation" in result)) return [];
    const { matrix } = result.explanation;
    return [...layersOf(result.explanation).flatMap((layer) => layer.values?.buffer ?? []), ...(matrix ? [matrix.buffer] : [])];
  });
}
