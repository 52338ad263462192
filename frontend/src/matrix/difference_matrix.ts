// The relevance matrix of A minus that of B, token by token.
import { type Explanation, MATRIX_MODES, answerLength } from "../data/explanation";
import { readerOf } from "./matrix_values";
import { twinsOf } from "./twin_value";

/** A with the difference for its matrix; NaN where B has no such token, or no value. */
export function withDifferenceMatrix(a: Explanation, b: Explanation): Explanation {
  if (!a.matrix || !b.matrix) return { ...a, matrix: null, matrixDamage: a.matrixDamage ?? `B: ${b.matrixDamage}` };
  // Of the whole context, so that prompts which differ are told apart too.
  const twin = twinsOf(a, b);
  const [rows, columns] = [answerLength(a), a.context.length];
  const [otherRows, otherColumns] = [answerLength(b), b.context.length];
  const matrix = new Float32Array(MATRIX_MODES.length * rows * columns).fill(NaN);
  for (let mode = 0; mode < MATRIX_MODES.length; mode++) {
    for (let row = 0; row < rows; row++) {
      const otherRow = twin[a.promptLength + row]! - b.promptLength;
      if (otherRow < 0) continue;
      const [to, from] = [(mode * rows + row) * columns, (mode * otherRows + otherRow) * otherColumns];
      for (let column = 0; column < columns; column++) {
        const other = twin[column]!;
        // Later tokens may compete; of the other modes they are no context, on either side.
        const counts = MATRIX_MODES[mode] === "weight" || (column < a.promptLength + row && other < b.promptLength + otherRow);
        if (other >= 0 && counts) matrix[to + column] = a.matrix[to + column]! - b.matrix[from + other]!;
      }
    }
  }
  return { ...a, matrix, ...measured(a, b, twin), difference: true };
}

/** Of what was measured or estimated in both. */
function measured(a: Explanation, b: Explanation, twin: Int32Array): Pick<Explanation, "influence" | "estimate"> {
  const rows = answerLength(a);
  const less = (mode: "influence" | "estimate", columns: readonly number[]) => {
    if (!a[mode] || !b[mode]) return null;
    const [mine, theirs] = [readerOf(a, mode), readerOf(b, mode)];
    const values = new Float32Array(rows * columns.length).fill(NaN);
    for (let row = 0; row < rows; row++) {
      const other = twin[a.promptLength + row]! - b.promptLength;
      if (other < 0) continue;
      columns.forEach((column, i) => {
        if (twin[column]! >= 0) values[row * columns.length + i] = mine(row, column) - theirs(other, twin[column]!);
      });
    }
    return values;
  };
  const words = (a.contextWords ?? []).map(({ first }) => first);
  return { influence: less("influence", words), estimate: less("estimate", a.context.map((_, column) => column)) };
}
