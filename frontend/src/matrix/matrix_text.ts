// The matrix in words and figures.
import { type Explanation, MATRIX_MODES, type MatrixMode } from "../data/explanation";
import { type Unit, answerUnits, contextUnits, groupText, rowText, unitAt } from "../words/units";
import { valueText } from "../view/text";
import { strongestValue } from "./matrix_cells";
import { type ShownMode, isSigned } from "./matrix_values";

export const MODE_NAMES: Record<ShownMode, string> = {
  influence: "Influence",
  estimate: "Estimate",
  relevance: "Alike",
  activation: "Activation",
  weight: "Interference",
};
/** What each says, in one sentence. */
export const MODE_TITLES: Record<ShownMode, string> = {
  influence: "Measured: what the row's word loses when the column's word is taken away",
  estimate: "Estimated from one pass, not measured: what the column's word may add to the row's",
  relevance: "Alike in prediction (ARC): how far what would be said at both places overlaps",
  activation: "What the column's word adds to the row's logit",
  weight: "What of the column's word is taken out of the row's map",
};
export const MODE_UNITS: Record<ShownMode, string> = { influence: "nats", estimate: "est.", relevance: "ρ", activation: "logit", weight: "w" };
/** What is meant where a colour is below zero, and above. */
export const MODE_ENDS: Partial<Record<ShownMode, [string, string]>> = { influence: ["against", "for"], estimate: ["against", "for"] };

const NAMED = 3;

/** The value of the last colour. Overlap has a scale of its own; the other modes, and differences,
 * end at their largest value. */
export function largestValue(explanation: Explanation, mode: ShownMode): number {
  if (mode === "relevance" && (!explanation.difference || !explanation.matrix)) return 1;
  const values = mode === "influence" || mode === "estimate" ? explanation[mode] : partOf(explanation, mode);
  let largest = 0;
  for (const value of values ?? []) {
    if (Math.abs(value) > largest) largest = Math.abs(value);
  }
  // Where nothing differs the middle colour must say so: any range but an empty one.
  return largest || (isSigned(explanation, mode) ? 1 : 0);
}

function partOf({ matrix }: Explanation, mode: MatrixMode): Float32Array | undefined {
  const size = (matrix?.length ?? 0) / MATRIX_MODES.length;
  const at = MATRIX_MODES.indexOf(mode) * size;
  return matrix?.subarray(at, at + size);
}

/** The row that holds an answer token by its strongest context: "Relevance. Row dog: brown 0.81, the 0.40". */
export function describeRow(explanation: Explanation, mode: ShownMode, token: number, unit: Unit): string {
  const group = answerUnits(explanation, unit)[unitAt(explanation, unit, token)]!;
  const strongest = contextUnits(explanation, unit)
    .map((column) => ({ column, value: strongestValue(explanation, mode, group, column) }))
    .filter(({ column, value }) => !Number.isNaN(value) && !explanation.context[column.first]!.special)
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, NAMED)
    .map(({ column, value }) => `${groupText(explanation, column)} ${valueText(value)}`);
  const what = explanation.difference ? `${MODE_NAMES[mode]}, A minus B` : MODE_NAMES[mode];
  return `${what}. Row ${rowText(explanation, group)}: ${strongest.join(", ") || "no context"}`;
}
