// The views that were looked at, to go back through them. What is only scrubbed through is one.
import type { ViewState } from "./state";

/** What is looked at, and not how. */
const LOOKED_AT = [
  "run", "tag", "step", "compare", "otherRun", "otherStep", "token", "more", "layer", "film", "grid", "samples", "matrix", "region", "alternative", "talk",
] as const satisfies readonly (keyof ViewState)[];
/** Changes of the same kind within so long are one. */
const ONE_GESTURE_MS = 1500;

export class ViewHistory {
  private readonly views: ViewState[] = [];
  private last = { kind: "", at: -Infinity };

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Call with each change that the reader makes. */
  record(before: ViewState, after: ViewState): void {
    const kind = differing(before, after).join();
    if (!kind) return;
    const at = this.now();
    const goesOn = kind === this.last.kind && at - this.last.at < ONE_GESTURE_MS;
    this.last = { kind, at };
    if (goesOn) return;
    this.views.push(before);
  }

  get isEmpty(): boolean {
    return !this.views.length;
  }

  get count(): number {
    return this.views.length;
  }

  /** Whether it is what one would come back to. */
  isLast(view: ViewState): boolean {
    const last = this.views.at(-1);
    return !!last && !differing(last, view).length;
  }

  /** The view before; it is no longer among those to go back to. */
  back(): ViewState | undefined {
    this.last = { kind: "", at: -Infinity };
    return this.views.pop();
  }
}

function differing(one: ViewState, other: ViewState): string[] {
  return LOOKED_AT.filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]));
}
