// A's answer with B's under it, word by word: each line of A has B's below.
import { css, html, nothing } from "lit";
import { STRONGEST_TINT } from "./answer_strip_style";
import { type Compared, changeOf, isNotable, wordChangeText } from "./changes";
import { tintOf } from "./evidence";
import { insteadOf, isUnsure } from "./figures";
import { type Explanation, answerToken } from "../data/explanation";
import type { Peaks } from "../pixels/range";
import { type Unit, answerUnits, groupIndex, rowText, tokensOf, unitsText } from "./units";

/** Of the strip, once there is a B. */
export const versusStyle = css`
  .changed {
    text-decoration: underline wavy var(--side-a) 1.5px;
    text-underline-offset: 4px;
  }
  .column {
    display: inline-flex;
    flex-direction: column;
    align-items: flex-start;
    vertical-align: top;
    border-radius: 6px;
  }
  .under {
    min-height: 24px;
    padding: 0 4px;
    font-size: 14px;
    line-height: 24px;
    color: var(--muted);
  }
  .under ins,
  .theirs {
    padding: 1px 3px;
    border-radius: 4px;
    background: rgb(var(--grounding) / var(--tint, 0));
    color: var(--text);
    text-decoration: none;
  }
  .under ins {
    text-decoration: underline wavy var(--side-b) 1.5px;
    text-underline-offset: 3px;
  }
  .gap {
    padding: 0 4px;
    font-size: 14px;
    color: var(--muted);
  }
  .here .under > * {
    box-shadow: 0 0 0 1.5px var(--side-b);
  }
  .mark {
    align-self: flex-start;
    padding: 0 7px;
    margin: 5px 4px 5px 0;
    border-radius: 9px;
    background: var(--side-a);
    color: var(--on-side);
    font-size: 11px;
    font-weight: 600;
    line-height: 18px;
  }
  .mark.b {
    margin: 3px 4px 3px 0;
    background: var(--side-b);
  }
  /* Two lines of A with those of B, and none that is cut. */
  @media (max-width: 620px), (max-height: 520px) {
    .text:has(.column) {
      max-height: 100px;
    }
  }
`;

interface Column {
  /** Index among A's units; null for what only B says. */
  a: number | null;
  /** Indices among B's. */
  b: number[];
}

/** Each of A's units with those of B's that begin in it; what only B says has a column of its own. */
export function columnsOf(first: Explanation, { explanation, pairs }: Compared, unit: Unit): Column[] {
  const [mine, theirs] = [answerUnits(first, unit), answerUnits(explanation, unit)];
  const columns: Column[] = [];
  const placed = new Set<number>();
  pairs.forEach(({ a, b }, i) => {
    const [at, other] = [a === null ? null : groupIndex(mine, a), b === null ? null : groupIndex(theirs, b)];
    const isNew = other !== null && !placed.has(other);
    const last = columns.at(-1);
    if (at !== null && last?.a !== at) columns.push({ a: at, b: [] });
    if (at === null && isNew) {
      // What B says in the middle of a word of A's stands under it.
      const next = pairs.slice(i).find((pair) => pair.a !== null)?.a ?? Infinity;
      if (!last || last.a === null || mine[last.a]!.end <= next) columns.push({ a: null, b: [] });
    }
    if (!isNew) return;
    placed.add(other);
    columns.at(-1)!.b.push(other);
  });
  return columns;
}

/** A's answer over B's.
 * @param drawn A's units, as they are drawn alone; nothing where one is not shown.
 * @param selected A's tokens. */
export function versus(first: Explanation, other: Compared, unit: Unit, selected: readonly number[], held: Peaks, drawn: readonly unknown[]) {
  const { explanation } = other;
  const [mine, theirs] = [answerUnits(first, unit), answerUnits(explanation, unit)];
  const columns = columnsOf(first, other, unit).map(({ a, b }) => {
    const own = a === null ? [] : tokensOf(mine[a]!);
    const shown = b.filter((at) => !answerToken(explanation, theirs[at]!.first)!.special);
    if (a !== null && drawn[a] === nothing) return nothing;
    if (a === null && !shown.length) return nothing;
    const change = own.length ? changeOf(first, other, own) : null;
    const here = own.some((token) => selected.includes(token)) ? "here" : "";
    const title = a === null ? "A has nothing here" : `A has “${unitsText(first, own, unit)}” here`;
    const said = change ? wordChangeText(change) : "";
    const words = shown.map((at) => {
      const tokens = tokensOf(theirs[at]!);
      const instead = insteadOf(explanation, tokens) ? "doubtful" : isUnsure(explanation, tokens) ? "doubtful unsure" : "";
      const style = `--tint:${(STRONGEST_TINT * tintOf(explanation, tokens, held)).toFixed(3)}`;
      const text = rowText(explanation, theirs[at]!);
      const hint = said ? `${title}: ${said}` : title;
      return !change || isNotable(change)
        ? html`<ins class=${instead} style=${style} title=${hint}>${text}</ins>`
        : html`<span class="theirs ${instead}" style=${style} title=${hint}>${text}</span>`;
    });
    return html`<span class="column ${here}">
      ${a === null ? html`<span class="gap" title=${title}>∅</span>` : drawn[a]}
      <span class="under" aria-hidden="true">${words.length ? words : html`<span class="gap" title="B has nothing here">∅</span>`}</span>
    </span>`;
  });
  return html`<span class="column" aria-hidden="true" dir="ltr"><span class="mark">A</span><span class="mark b">B</span></span>${columns}`;
}
