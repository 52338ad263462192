// Beside the image: what words do to each other, the selected word over the steps, or its way through
// the thought; below, what else might have been said.
import { html, nothing } from "lit";
import type { Explanation } from "../data/explanation";
import type { Peaks } from "../pixels/range";
import { modeIn } from "../matrix/matrix_values";
import { alternativeOf } from "../words/alternative";
import { withReasons } from "../words/reasons";
import type { Hover } from "./base";
import type { PanelModel } from "./model";
import type { PARTS } from "./part_list";
import type { Parts } from "./parts";
import { selectedTokens } from "./selection";
import type { ViewState } from "./state";

interface Reading {
  model: PanelModel;
  parts: Parts<keyof typeof PARTS>;
  /** Of the image in view. */
  explanation: Explanation;
  hover: Hover;
  held: Peaks;
  dark: boolean;
}

export function readingSection(reading: Reading) {
  const { model, parts, explanation, held } = reading;
  const { view } = model;
  const alternative = alternativeOf(explanation, view);
  const other = view.compare === "single" ? null : model.otherSide;
  const grid = view.grid && runsHaving(model) > 1;
  const thinking = thinks(reading) && !grid;
  const film = view.film && !thinking && !grid;
  const tab = (name: string, title: string, pressed: boolean, patch: Partial<ViewState>) =>
    html`<button aria-pressed=${pressed} title=${title} @click=${() => void model.change(patch)}>${name}</button>`;
  return html`<section class="read" aria-label="Words">
    <span class="tabs segments" role="group" aria-label="Beside the image">
      ${tab("words", "What the words do to each other (h)", !film && !thinking && !grid, { film: false, thought: false, grid: false })}
      ${tab("over steps", "The selected token over all steps (h)", film, { film: true, thought: false, grid: false })}
      ${runsHaving(model) > 1 ? tab("runs", "The selected token in all runs, step by step (a)", grid, { grid: true }) : nothing}
      ${mayThink(explanation) ? tab("thought", "What the selected word rests on, through the thought", thinking, { thought: true, grid: false }) : nothing}
      ${tab("talk", "To show it: full screen, word by word, or step by step (f)", false, { talk: "answer" })}
    </span>
    ${grid ? overRuns(reading) : thinking ? thought(reading) : film ? overSteps(reading) : words(reading)}
    ${view.region
      ? parts.show("readers", () => html`<mmx-readers .explanation=${explanation} .view=${view}></mmx-readers>`)
      : thinking
        ? nothing
        : parts.show(
            "candidates",
            () => html`<mmx-candidates .explanation=${explanation} .tokens=${selectedTokens(view, explanation)} .other=${other} .alternative=${alternative} .held=${held}></mmx-candidates>`,
          )}
  </section>`;
}

function thinks({ model, explanation }: Reading): boolean {
  return model.view.thought && mayThink(explanation);
}

/** Whether it is worth to load what looks for the thought itself. */
function mayThink({ context, promptLength, influence }: Explanation): boolean {
  return !!influence && context.slice(promptLength).some(({ text }) => /think|channel/i.test(text));
}

function thought({ model, parts, explanation }: Reading) {
  const tokens = selectedTokens(model.view, explanation);
  return parts.show("thought", () => html`<mmx-thought-chain .explanation=${explanation} .tokens=${tokens}></mmx-thought-chain>`);
}

function runsHaving({ index, view }: PanelModel): number {
  return index?.runs.filter(({ samples }) => samples.some(({ tag, steps }) => tag === view.tag && steps.length)).length ?? 0;
}

function overRuns({ model, parts, dark }: Reading) {
  return parts.show("grid", () => html`<mmx-run-grid .model=${model} ?dark=${dark}></mmx-run-grid>`);
}

function overSteps({ model, parts, held, dark }: Reading) {
  const { view, image, filmSteps, steps, otherPlace } = model;
  const film = model.film();
  return parts.show(
    "film",
    () => html`<mmx-filmstrip
      .film=${film}
      .steps=${filmSteps}
      .total=${steps.length}
      .image=${image}
      .view=${view}
      .held=${held}
      .other=${otherPlace?.run === view.run ? otherPlace.step : null}
      ?dark=${dark}
    ></mmx-filmstrip>`,
  );
}

function words({ model, explanation, hover, dark }: Reading) {
  const { view, other, difference } = model;
  const pinned = hover.column === null && view.context !== null;
  const alternative = alternativeOf(explanation, view);
  const single = alternative === null || modeIn(explanation, view.matrix) !== "influence" ? explanation : withReasons(explanation, alternative, view.unit);
  return html`<mmx-relevance-matrix
    .explanation=${view.compare === "difference" ? difference : single}
    .other=${view.compare === "single" ? null : (other?.explanation ?? null)}
    .view=${view}
    .hover=${pinned ? { row: hover.row, column: view.context } : hover}
    ?dark=${dark}
  ></mmx-relevance-matrix>`;
}
