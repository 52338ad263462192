/** As many times what the columns need side by side. */
const WIDEST = 2;

/** Where each step's column begins: as far apart as the steps are, as far as there is room, and never
 * one over the other; where they have to make room, all of them by as little as can be (by the squares). */
export function filmPlaces(steps: readonly number[], cell: number, gap: number, room: number): number[] {
  const pitch = cell + gap;
  const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 0];
  const gaps = steps.slice(1).map((step, i) => step - steps[i]!).sort((a, b) => a - b);
  // Wide enough for most of them to lie where they are in time, if that is not too wide.
  const wanted = pitch * Math.min(WIDEST * gaps.length, (last - first) / (gaps[gaps.length >> 1] || 1));
  const extent = Math.max(room - cell, wanted, pitch * gaps.length, 0);
  // Columns that touch move as one, to the mean of where its own would be.
  const blocks: { at: number; count: number }[] = [];
  steps.forEach((step, i) => {
    let block = { at: last > first ? (extent * (step - first)) / (last - first) - i * pitch : 0, count: 1 };
    for (let before = blocks.at(-1); before && before.at > block.at; before = blocks.at(-1)) {
      blocks.pop();
      const count = before.count + block.count;
      block = { at: (before.at * before.count + block.at * block.count) / count, count };
    }
    blocks.push(block);
  });
  const most = extent - pitch * gaps.length;
  return blocks.flatMap(({ at, count }) => Array<number>(count).fill(Math.max(0, Math.min(most, at)))).map((at, i) => Math.round(at + i * pitch));
}

/** Which column a point is in; -1 between them. */
export function columnAt(places: readonly number[], cell: number, x: number): number {
  return places.findIndex((place) => x >= place && x < place + cell);
}
