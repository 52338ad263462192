// Some of many steps.

/** All of them, or as many as have room, evenly spread: the first, the last, and the one in view. */
export function spread(steps: readonly number[], room: number, shown: number | null): readonly number[] {
  const count = Math.max(2, room);
  if (steps.length <= count) return steps;
  const even = Array.from({ length: count }, (_, i) => Math.round((i * (steps.length - 1)) / (count - 1)));
  const chosen = new Set([...even.map((i) => steps[i]!), shown]);
  return steps.filter((step) => chosen.has(step));
}
