// B's answer below A's: what is the same, what is another, what is missing.
import { html, nothing } from "lit";
import type { Pair } from "./alignment";
import { type Explanation, answerToken } from "../data/explanation";
import { type Unit, answerUnits, groupIndex, rowText, unitAt, unitsText } from "./units";

/** B's answer, as what differs from A's. */
export function versus(first: Explanation, { explanation, pairs }: { explanation: Explanation; pairs: Pair[] }, unit: Unit, tokens: number[]) {
  const units = answerUnits(explanation, unit);
  const runs: { key: string; pairs: Pair[] }[] = [];
  for (const pair of pairs) {
    const key = pair.b === null ? `a${unitAt(first, unit, pair.a!)}` : `b${groupIndex(units, pair.b)}`;
    if (runs.at(-1)?.key === key) runs.at(-1)!.pairs.push(pair);
    else runs.push({ key, pairs: [pair] });
  }
  return html`<span class="versus" aria-label="B's answer" dir="auto">
    <span class="mark">B</span>${runs.map(({ key, pairs }) => {
      const mine = pairs.flatMap(({ a }) => a ?? []);
      const here = mine.some((a) => tokens.includes(a)) ? "here" : "";
      const title = mine.length ? `A has “${unitsText(first, mine, unit)}” here` : "A has nothing here";
      const { b } = pairs[0]!;
      if (b === null) return html`<span class="gap ${here}" title=${title}>∅</span>`;
      if (answerToken(explanation, b)!.special) return nothing;
      const text = rowText(explanation, units[Number(key.slice(1))]!);
      const same = pairs.every(({ a, b }) => a !== null && answerToken(first, a)!.text === answerToken(explanation, b!)!.text);
      return same ? html`<span class=${here}>${text}</span>` : html`<ins class=${here} title=${title}>${text}</ins>`;
    })}
  </span>`;
}
