// The matrix in words and figures.
import { type Explanation, MATRIX_MODES, type MatrixMode } from "../data/explanation";
import { type Unit, answerUnits, contextUnits, groupText, rowText, unitAt } from "../words/units";
import { valueText } from "../view/text";
import { strongestValue } from "./matrix_cells";

export const MODE_NAMES: Record<MatrixMode, string> = {
  relevance: "Relevance",
  activation: "Activation",
  weight: "Interference",
};
export const MODE_TITLES: Record<MatrixMode, string> = {
  relevance: "ρ: how far the predictions at both places overlap (rank-biased, 0 to 1)",
  activation: "r: what the context token adds to the logit",
  weight: "w: how much the context token counted as interference",
};
export const MODE_UNITS: Record<MatrixMode, string> = { relevance: "ρ", activation: "logit", weight: "w" };

const NAMED = 3;

/** The value of the last colour. Overlap has a scale of its own; the other modes, and differences,
 * end at their largest value. */
export function largestValue(explanation: Explanation, mode: MatrixMode): number {
  if (!explanation.matrix || (mode === "relevance" && !explanation.difference)) return 1;
  const size = explanation.matrix.length / MATRIX_MODES.length;
  const at = MATRIX_MODES.indexOf(mode) * size;
  let largest = 0;
  for (let i = at; i < at + size; i++) {
    const value = Math.abs(explanation.matrix[i]!);
    if (value > largest) largest = value;
  }
  // Where nothing differs the middle colour must say so: any range but an empty one.
  return largest || (explanation.difference ? 1 : 0);
}

/** The row that holds an answer token by its strongest context: "Relevance. Row dog: brown 0.81, the 0.40". */
export function describeRow(explanation: Explanation, mode: MatrixMode, token: number, unit: Unit): string {
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
