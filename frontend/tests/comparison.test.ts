// A against B over all samples: differences, their signs, sums, queries.
import { describe, expect, it } from "vitest";
import { gainOf, histogramOf, keptRows, marginOf, summaryOf, verdictOf } from "../src/samples/comparison";
import { directionOf } from "../src/samples/directions";
import { Notes } from "../src/samples/notes";
import { parseQuery } from "../src/samples/query";
import { type SampleRecord, makeRows } from "../src/samples/sample_rows";
import { naturalText } from "../src/view/text";

type Figures = Record<string, number | null>;
function rowsOf(a: Figures[], b: Figures[]) {
  const records = (all: Figures[], step: number): SampleRecord[] =>
    all.map((metrics, i) => ({ tag: `mmx/val/${i}`, step, answer: "a red circle", metrics, lowest_probability: i / 10 }));
  return makeRows(records(a, 1), 1, { records: records(b, 0), step: 0 });
}
const tags = (rows: readonly { tag: string }[]) => rows.map(({ tag }) => tag.at(-1)).join("");

describe("a difference", () => {
  it("is A less B, and below zero where A is the worse, whichever way is good", () => {
    const [row] = rowsOf([{ obj_iou: 0.25, deletion: 0.5 }], [{ obj_iou: 0.5, deletion: 0.25 }]);
    expect([gainOf(row!, "metric:obj_iou"), gainOf(row!, "metric:deletion")]).toEqual([-0.25, -0.25]);
  });

  it("has no good way where the number is not known", () => {
    expect([directionOf("metric:obj_iou"), directionOf("metric:loss"), directionOf("metric:mine"), directionOf("grounding")]).toEqual([1, -1, 0, 0]);
  });
});

describe("the sum", () => {
  const rows = rowsOf([{ obj_iou: 0.1 }, { obj_iou: 0.4 }, { obj_iou: 0.65 }, { obj_iou: null }], [{ obj_iou: 0.3 }, { obj_iou: 0.4 }, { obj_iou: 0.5 }, { obj_iou: 1 }]);

  it("is over the samples that both have it of", () => {
    const summary = summaryOf(rows, "metric:obj_iou")!;
    expect(summary).toMatchObject({ count: 3, higher: 1, lower: 1, equal: 1, direction: 1 });
    expect([summary.a, summary.b, summary.by]).toEqual([expect.closeTo(1.15 / 3), expect.closeTo(0.4), expect.closeTo(-0.05 / 3)]);
    expect(verdictOf(summary)).toBe("1 worse, 1 better, 1 equal");
    expect(verdictOf({ ...summary, lower: 5, direction: -1 })).toBe("1 worse, 5 better, 1 equal");
    expect(verdictOf({ ...summary, direction: 0 })).toBe("1 lower, 1 higher, 1 equal");
    expect(summaryOf(rows, "metric:other")).toBeNull();
  });

  it("has the paired t interval of its mean", () => {
    // Of 1, 2, 3 the deviation is 1: 4.303 / √3.
    expect(marginOf([1, 2, 3])).toBeCloseTo(4.303 / Math.sqrt(3), 3);
    // Textbook: t of 20 degrees of freedom is 2.086; twenty-one values of deviation √(21/20 · 0.952…).
    const values = Array.from({ length: 21 }, (_, i) => (i % 2 ? 1 : -1));
    const variance = values.reduce((sum, value) => sum + (value + 1 / 21) ** 2, 0) / 20;
    expect(marginOf(values)).toBeCloseTo(2.086 * Math.sqrt(variance / 21), 3);
    expect(marginOf([1])).toBeNull();
  });

  it("is broken down into bins that meet at zero, of which a part can be kept", () => {
    const bins = histogramOf(rows, "metric:obj_iou", 4);
    expect(bins.map(({ count }) => count)).toEqual([1, 0, 1, 1]);
    expect(bins[2]!.low).toBeCloseTo(0);
    const kept = (worse: boolean, between: [number, number] | null) => tags(keptRows(rows, "metric:obj_iou", { worse, between }));
    expect([kept(false, null), kept(true, null), kept(false, [0, 0.2]), kept(true, [0, 0.2])]).toEqual(["0123", "0", "12", ""]);
  });
});

describe("the filter", () => {
  const rows = rowsOf([{ obj_iou: 0.1 }, { obj_iou: 0.4 }, { obj_iou: 0.6 }, {}], [{ obj_iou: 0.3 }, { obj_iou: 0.4 }, { obj_iou: 0.5 }, {}]);
  const names = ["metric:obj_iou", "lowest_probability"];
  const found = (text: string) => tags(rows.filter(parseQuery(text, names, (tag) => tag.endsWith("1")).test));

  it.each([
    ["", "0123"],
    ["RED  val/2", "2"],
    ["red cat", ""],
    ["2a", ""],
    ["obj_iou < .5", "01"],
    ["obj_iou < .5 and p >= 0.1", "1"],
    ["obj_iou < .2 or obj_iou > .5", "02"],
    ["not obj_iou < .5", "23"],
    ["not (obj_iou < .2 or p > .1) and red", "1"],
    ["change.obj_iou < 0", "0"],
    ["b.obj_iou = .4", "1"],
    ["tagged", "1"],
    ["not tagged and p < .3", "02"],
    ["val/3 p > 0", "3"],
  ])("%s", (text, wanted) => {
    expect(found(text)).toBe(wanted);
  });

  it.each([
    ["iou < 1", /No number is called “iou”; there are obj_iou, lowest_probability/],
    ["obj_iou <", /A number is missing/],
    ["(obj_iou < 1", /“\)” is missing/],
    ["obj_iou < 1 )", /not expected/],
    ["< 1", /needs a number before/],
  ])("says what is wrong with %s and leaves nothing out", (text, trouble) => {
    const query = parseQuery(text, names);
    expect(query.trouble).toMatch(trouble);
    expect(rows.filter(query.test)).toHaveLength(4);
  });
});

describe("notes", () => {
  it("last in the browser, by the place that the samples come from, and leave as JSON", () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
    const notes = new Notes(storage, "here");
    notes.set("mmx/val/2", { again: true });
    notes.set("mmx/val/1", { text: "odd" });
    notes.set("mmx/val/3", { again: true });
    notes.set("mmx/val/3", { again: false });
    const again = new Notes(storage, "here");
    expect(JSON.parse(again.json())).toEqual([
      { tag: "mmx/val/1", look_again: false, note: "odd" },
      { tag: "mmx/val/2", look_again: true, note: "" },
    ]);
    expect(new Notes(storage, "elsewhere").count).toBe(0);
    kept.set("mmx.notes here", "{");
    expect(new Notes(storage, "here").of("mmx/val/1")).toEqual({ again: false, text: "" });
  });
});

describe("the natural order", () => {
  it("knows decimals, and powers of ten", () => {
    const sorted = ["lr=0.01", "lr=0.001", "run 10", "run 2", "lr=1e-5", "lr=0.1", "lr=3e-4"].sort((one, other) => (naturalText(one) < naturalText(other) ? -1 : 1));
    expect(sorted).toEqual(["lr=1e-5", "lr=3e-4", "lr=0.001", "lr=0.01", "lr=0.1", "run 2", "run 10"]);
  });
});
