// Which token of one answer stands for which of another's.
import { type Explanation, answerLength, answerToken } from "../data/explanation";

/** A's and B's index; null where the other has a token that this one lacks. */
export interface Pair {
  a: number | null;
  b: number | null;
}

/** Beyond this many cells the middle of two long, different answers is paired by position. */
const LARGEST_TABLE = 4_000_000;

/** The fewest changed, added and dropped tokens (Levenshtein); a changed token is a pair. */
export function align(a: readonly string[], b: readonly string[]): Pair[] {
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [rows, cols] = [a.length - head - tail, b.length - head - tail];
  const middle = rows * cols > LARGEST_TABLE ? byPosition(rows, cols) : byEdits(a.slice(head, head + rows), b.slice(head, head + cols));
  return [
    ...Array.from({ length: head }, (_, i) => ({ a: i, b: i })),
    ...middle.map(({ a: i, b: j }) => ({ a: i === null ? null : head + i, b: j === null ? null : head + j })),
    ...Array.from({ length: tail }, (_, i) => ({ a: a.length - tail + i, b: b.length - tail + i })),
  ];
}

export function alignAnswers(a: Explanation, b: Explanation): Pair[] {
  const words = (explanation: Explanation) =>
    Array.from({ length: answerLength(explanation) }, (_, i) => answerToken(explanation, i)!.text);
  return align(words(a), words(b));
}

/** B's token for A's; null where B has none. */
export function counterpart(pairs: readonly Pair[], token: number): number | null {
  // A's tokens stand in order: only B's own can have pushed one back.
  for (let i = token; i < pairs.length; i++) if (pairs[i]!.a === token) return pairs[i]!.b;
  return null;
}

function byPosition(rows: number, cols: number): Pair[] {
  return Array.from({ length: Math.max(rows, cols) }, (_, i) => ({ a: i < rows ? i : null, b: i < cols ? i : null }));
}

function byEdits(a: readonly string[], b: readonly string[]): Pair[] {
  const width = b.length + 1;
  const cost = new Uint32Array((a.length + 1) * width);
  for (let i = 0; i <= a.length; i++) cost[i * width] = i;
  for (let j = 0; j <= b.length; j++) cost[j] = j;
  const changed = (i: number, j: number) => cost[(i - 1) * width + j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const gap = 1 + Math.min(cost[(i - 1) * width + j]!, cost[i * width + j - 1]!);
      cost[i * width + j] = Math.min(changed(i, j), gap);
    }
  }
  const pairs: Pair[] = [];
  let [i, j] = [a.length, b.length];
  while (i > 0 || j > 0) {
    const here = cost[i * width + j]!;
    if (i > 0 && j > 0 && here === changed(i, j)) pairs.push({ a: --i, b: --j });
    else if (i > 0 && here === 1 + cost[(i - 1) * width + j]!) pairs.push({ a: --i, b: null });
    else pairs.push({ a: null, b: --j });
  }
  return pairs.reverse();
}
