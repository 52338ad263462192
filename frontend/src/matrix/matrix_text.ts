// The matrix in words and figures.
import { type Explanation, MATRIX_MODES, type MatrixMode, matrixValue } from "../data/explanation";
import { tokenText, valueText } from "../view/text";

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

/** A row by its strongest context: "Relevance. Row dog: brown 0.81, the 0.40". */
export function describeRow(explanation: Explanation, mode: MatrixMode, row: number): string {
  const word = (j: number) => tokenText(explanation.context[j]?.text ?? "");
  const strongest = explanation.context
    .map((token, j) => ({ token, j, value: matrixValue(explanation, mode, row, j) }))
    .filter(({ token, value }) => !Number.isNaN(value) && !token.special)
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, NAMED)
    .map(({ j, value }) => `${word(j)} ${valueText(value)}`);
  const what = explanation.difference ? `${MODE_NAMES[mode]}, A minus B` : MODE_NAMES[mode];
  return `${what}. Row ${word(explanation.promptLength + row)}: ${strongest.join(", ") || "no context"}`;
}
