// How the tokens of two answers stand to each other.

/** A's and B's index; null where the other has a token that this one lacks. */
export interface Pair {
  a: number | null;
  b: number | null;
}

/** B's token for A's; null where B has none. */
export function counterpart(pairs: readonly Pair[], token: number): number | null {
  // A's tokens stand in order: only B's own can have pushed one back.
  for (let i = token; i < pairs.length; i++) if (pairs[i]!.a === token) return pairs[i]!.b;
  return null;
}
