// What the matrix can show, and one reading of it for all: of an answer token and a context token.
import { type Explanation, MATRIX_MODES, answerLength } from "../data/explanation";
import { methodOf } from "../data/method";

/** First what was measured, then what estimates it, then how predictions are alike. */
export const SHOWN_MODES = ["influence", "estimate", ...MATRIX_MODES] as const;
export type ShownMode = (typeof SHOWN_MODES)[number];
export type Reader = (row: number, column: number) => number;

/** Those that this log has. */
export function modesOf(explanation: Explanation): ShownMode[] {
  return SHOWN_MODES.filter((mode) =>
    mode === "influence" || mode === "estimate" ? !!explanation[mode] : methodOf(explanation).modes.includes(mode),
  );
}

/** The one asked for, where the log has it. */
export function modeIn(explanation: Explanation, wanted: ShownMode): ShownMode {
  const modes = modesOf(explanation);
  return modes.includes(wanted) ? wanted : modes[0]!;
}

/** Below zero a word speaks against another: the colours have zero in their middle. */
export function isSigned(explanation: Explanation, mode: ShownMode): boolean {
  if (explanation.difference || mode === "influence") return true;
  return mode === "estimate" && !!explanation.estimate?.some((value) => value < 0);
}

const places = new WeakMap<Explanation, Int32Array>();

/** Per context token, which of the words taken away it belongs to; -1 for none. */
export function wordPlaces(explanation: Explanation): Int32Array {
  let found = places.get(explanation);
  if (!found) {
    found = new Int32Array(explanation.context.length).fill(-1);
    for (const [word, { first, count }] of (explanation.contextWords ?? []).entries()) found.fill(word, first, first + count);
    places.set(explanation, found);
  }
  return found;
}

/** NaN where there is no value. A word's influence is that of each of its tokens. */
export function readerOf(explanation: Explanation, mode: ShownMode): Reader {
  const columns = explanation.context.length;
  if (mode === "influence") {
    const { influence, contextWords = [] } = explanation;
    const words = wordPlaces(explanation);
    return (row, column) => (words[column]! < 0 ? NaN : (influence?.[row * contextWords.length + words[column]!] ?? NaN));
  }
  const values = mode === "estimate" ? explanation.estimate : explanation.matrix;
  const offset = mode === "estimate" ? 0 : MATRIX_MODES.indexOf(mode) * answerLength(explanation) * columns;
  return (row, column) => values?.[offset + row * columns + column] ?? NaN;
}

/** Whether the tokens of a word are one event, of which the logarithms add up. */
export function addsUp(mode: ShownMode): boolean {
  return mode === "influence";
}
