// The relevance matrix of A minus that of B, token by token.
import { align } from "../words/alignment";
import { type Explanation, MATRIX_MODES, answerLength } from "../data/explanation";

/** A with the difference for its matrix; NaN where B has no such token, or no value. */
export function withDifferenceMatrix(a: Explanation, b: Explanation): Explanation {
  if (!a.matrix || !b.matrix) return { ...a, matrix: null, matrixDamage: a.matrixDamage ?? `B: ${b.matrixDamage}` };
  // Of the whole context, so that prompts which differ are told apart too.
  const twin = new Int32Array(a.context.length).fill(-1);
  const texts = (explanation: Explanation) => explanation.context.map((token) => token.text);
  for (const pair of align(texts(a), texts(b))) if (pair.a !== null && pair.b !== null) twin[pair.a] = pair.b;
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
  return { ...a, matrix, difference: true };
}
