// How explanations come to the panel's source: fetched and decoded off the main thread.
import { blobsAddress } from "./api";
import type { StepResult } from "./blobs_response";

export type LoadReply =
  | { results: StepResult[] }
  | { failure: { kind: "gone" | "refused"; message: string } };

export interface WorkerRequest {
  id: number;
  url: string;
  run: string;
  tag: string;
}
export interface WorkerCancel {
  cancel: number;
}
export type WorkerReply = { id: number } & LoadReply;

export interface StepLoader {
  /** Never rejects. */
  load(id: number, run: string, tag: string, steps: number[]): Promise<LoadReply>;
  cancel(id: number): void;
}

export class WorkerLoader implements StepLoader {
  private worker: Worker | null = null;
  private readonly waiting = new Map<number, (reply: LoadReply) => void>();

  constructor(
    private readonly base: string,
    private readonly makeWorker: () => Worker,
  ) {}

  /** Loads the worker's code ahead of its first task. */
  warmUp(): void {
    this.running();
  }

  load(id: number, run: string, tag: string, steps: number[]): Promise<LoadReply> {
    return new Promise((settle) => {
      this.waiting.set(id, settle);
      this.running().postMessage({ id, url: blobsAddress(this.base, run, tag, steps), run, tag });
    });
  }

  cancel(id: number): void {
    this.waiting.delete(id);
    this.worker?.postMessage({ cancel: id });
  }

  private running(): Worker {
    if (this.worker) return this.worker;
    const worker = (this.worker = this.makeWorker());
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      this.waiting.get(data.id)?.(data);
      this.waiting.delete(data.id);
    };
    worker.onerror = () => {
      const failure = { kind: "gone", message: "The panel's worker could not be loaded." } as const;
      for (const settle of this.waiting.values()) settle({ failure });
      this.waiting.clear();
      this.worker = null;
    };
    return worker;
  }
}
