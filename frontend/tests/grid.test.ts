// The cells of a word over runs and steps.
import { expect, it } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { type Row, cellOf, columnsOf, highOf, rowsOf } from "../src/grid/cells";
import { INITIAL_VIEW } from "../src/view/state";
import { explanation, layer } from "./fixture";

const range = (count: number, by = 10) => Array.from({ length: count }, (_, i) => i * by);

it("has a row for each run that has the sample", () => {
  const sample = (tag: string, steps: number[]) => ({ tag, set: "val", sample: tag, steps, wall_times: steps });
  const run = (run: string, ...samples: ReturnType<typeof sample>[]) => ({ run, samples, images: [] });
  const index = { version: 1, runs: [run("a", sample("x", [1, 2])), run("b", sample("y", [1])), run("c", sample("x", [])), run("d", sample("x", [3]))] };
  expect(rowsOf(index, "x")).toEqual([{ run: "a", steps: [1, 2] }, { run: "d", steps: [3] }]);
});

it("has all steps of all runs, or says that it has some: the ends of each, and the one in view", () => {
  const rows: Row[] = [{ run: "a", steps: range(60) }, { run: "b", steps: range(60) }, { run: "c", steps: [5, 105, 605] }];
  expect(columnsOf(rows, 99, null)).toEqual({ columns: [...new Set([...range(60), 5, 105, 605])].sort((one, other) => one - other), total: 63 });
  const { columns, total } = columnsOf(rows, 12, 330);
  expect(total).toBe(63);
  expect(columns.length).toBeLessThanOrEqual(12 + 7);
  expect(columns).toEqual(expect.arrayContaining([0, 590, 5, 605, 330]));
});

it("finds the word in each answer, tells how likely it is and what would have been said, or that it is not there", () => {
  const at = (text: string, values: number[][]): Explanation => {
    const rank = values.map(() => 1);
    const agreement = { probability: values.map((_, i) => (i ? 0.25 : 0.5)), rank, top: rank.map(() => ({ id: 9, text: " cat", probability: 0.7 })) };
    return explanation(text, [{ ...layer(1, values), agreement }, layer(null, values)]);
  };
  const view = { ...INITIAL_VIEW, token: 1, word: " dog" };
  const cells = [cellOf(at("see | a dog", [[9, 9], [1, 3]]), view), cellOf(at("see | dog now", [[1, 4], [9, 9]]), view), cellOf(at("see | a cow", [[9, 9], [9, 9]]), view)];
  expect(cells.map(({ probability, instead, there }) => [probability, instead, there])).toEqual([[0.25, "cat", true], [0.5, "cat", true], [null, "", false]]);
  // One range for all: the word's own, of those that have it.
  expect(highOf([...cells, null, undefined], view)).toBe(4);
  expect(highOf(cells, { range: "fixed", fixedMax: 7 })).toBe(7);
});
