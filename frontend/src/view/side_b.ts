// In the header, once something is compared: B's run and step.
import { css, html } from "lit";
import { options } from "./base";
import type { RunEntry } from "../data/api";
import type { Place } from "../data/explanation_source";
import type { ViewState } from "./state";
import { stepText } from "./text";

/** Of the header. */
export const sideStyle = css`
  .compare {
    display: flex;
    align-items: center;
    gap: 8px;
    min-width: 0;
  }
  .mark {
    padding: 2px 8px;
    border-radius: 10px;
    background: var(--side-b);
    color: var(--on-side);
    font-size: 12px;
    font-weight: 600;
  }
  .mark.a {
    background: var(--side-a);
  }
  /* B beside the modes: its own line would push the pictures below the fold. */
  @media (max-width: 980px) and (max-height: 760px) {
    .segments.both {
      display: none;
    }
    .modes.both {
      display: block;
    }
    .both ~ .range {
      max-width: 130px;
    }
    .both ~ .compare .wide {
      display: none;
    }
  }
  @media (max-width: 620px) {
    .compare {
      gap: 6px;
    }
    .compare select {
      min-width: 0;
    }
    .wide {
      display: none;
    }
  }
`;

interface Shown {
  runs: readonly RunEntry[];
  view: ViewState;
  /** Where B is; null where there is none. */
  other: Place | null;
  swap(): void;
}

/** @param change What is asked of the view. */
export function sideB(header: Shown, names: readonly string[], change: (patch: Partial<ViewState>) => void) {
  const { other, view, runs } = header;
  const name = other?.run ?? view.otherRun;
  const steps = runs.find(({ run }) => run === name)?.samples.find(({ tag }) => tag === (other?.tag ?? view.tag))?.steps;
  const chosen = (event: Event) => change({ otherRun: name, otherStep: Number((event.target as HTMLSelectElement).value) });
  return html`
    <span class="compare">
      <button title="A becomes B, and B becomes A (x)" ?disabled=${!other} @click=${() => header.swap()}>⇄<span class="wide"> swap</span></button>
      <span class="mark">B</span>
      <mmx-run-picker .runs=${names} .run=${name} .side=${"b"} .beside=${view.run}></mmx-run-picker>
      <select aria-label="Step of B" ?disabled=${!steps} @change=${chosen}>
        ${options(steps ?? [], other?.step, (step) => `step ${stepText(step)}`)}
      </select>
    </span>
  `;
}
