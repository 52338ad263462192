import { describe, expect, it } from "vitest";
import {
  type SampleRecord,
  type SampleRow,
  answerParts,
  changeOf,
  filterRows,
  makeRows,
  metricNames,
  sortRows,
  visibleRange,
} from "../src/samples/sample_rows";

function record(sample: string, step: number, more: Partial<SampleRecord> = {}): SampleRecord {
  return { tag: `mmx/val/${sample}`, step, answer: "a red circle", ...more };
}

function rowsOf(...records: SampleRecord[]): SampleRow[] {
  return makeRows(records, null, null);
}

const names = (rows: readonly SampleRow[]) => rows.map((row) => row.name.replace("val/", ""));

describe("rows", () => {
  const records = [record("1", 0), record("1", 100), record("1", 300), record("2", 400)];
  const stepsAt = (step: number | null) => makeRows(records, step, null).map((row) => row.record.step);

  it("show one record per sample, in the order of the records", () => {
    expect(makeRows(records, 0, null).map((row) => [row.tag, row.name])).toEqual([
      ["mmx/val/1", "val/1"],
      ["mmx/val/2", "val/2"],
    ]);
  });

  it("show each sample's nearest step, the earlier of two that are as near", () => {
    expect(stepsAt(100)).toEqual([100, 400]);
    expect(stepsAt(220)).toEqual([300, 400]);
    expect(stepsAt(200)).toEqual([100, 400]);
    expect(makeRows([...records].reverse(), 200, null).at(-1)!.record.step).toBe(100);
  });

  it("show the latest step where none is wanted", () => {
    expect(stepsAt(null)).toEqual([300, 400]);
  });

  it("show the later record of a step that was logged twice", () => {
    expect(rowsOf(record("1", 5, { answer: "old" }), record("1", 5, { answer: "new" }))[0]!.record.answer).toBe("new");
  });

  it("carry the other's record at its own step, and none where it has none", () => {
    const other = { records: [record("1", 0, { grounding: 0.2 }), record("1", 900)], step: 100 };
    const rows = makeRows([record("1", 300, { grounding: 0.7 }), record("2", 300)], 300, other);
    expect(rows[0]!.other!.step).toBe(0);
    expect(rows[0]!.change!.amount).toBeCloseTo(0.5);
    expect([rows[1]!.other, rows[1]!.change]).toEqual([null, null]);
  });
});

describe("the change", () => {
  it("is the largest difference of the numbers that both have, A's less B's", () => {
    const a = record("1", 1, { metrics: { iou: 0.25, only: 9 }, grounding: 0.5, agreement: 1 });
    const b = record("1", 0, { metrics: { iou: 0.75 }, grounding: 0.25, agreement: null });
    expect(changeOf(a, b)).toEqual({ answers: false, key: "metric:iou", amount: -0.5 });
  });

  it("says when the answers differ, and when no number is shared", () => {
    expect(changeOf(record("1", 1), record("1", 0, { answer: "a cat" }))).toEqual({ answers: true, key: "", amount: 0 });
  });

  it("is unknown of a damaged record", () => {
    expect(changeOf(record("1", 1), record("1", 0, { error: "damaged: crc" }))).toBeNull();
  });

  it("marks the words that the other answer does not say there", () => {
    const [row] = makeRows([record("1", 1, { answer: "a red  circle is\nleft of a dog" })], 1, {
      records: [record("1", 0, { answer: "a blue ring is left of a dog" })],
      step: 0,
    });
    expect(answerParts(row!)).toEqual([
      { text: "a", changed: false },
      { text: "red circle", changed: true },
      { text: "is left of a dog", changed: false },
    ]);
  });
});

describe("the order", () => {
  const rows = rowsOf(
    record("a", 1, { grounding: 0.5 }),
    record("b", 1, { grounding: null }),
    record("c", 1, { grounding: 0.25 }),
    record("d", 1, { grounding: NaN }),
    record("e", 1, { grounding: 0.5 }),
    record("f", 1, { answer: undefined, error: "damaged: crc" }),
  );

  it("keeps missing values last and equal rows in place, in both directions", () => {
    expect(names(sortRows(rows, { key: "grounding", descending: false }))).toEqual(["c", "a", "e", "b", "d", "f"]);
    expect(names(sortRows(rows, { key: "grounding", descending: true }))).toEqual(["a", "e", "c", "b", "d", "f"]);
  });

  it("is the logged one without a sort, and for a number that nothing has", () => {
    expect(sortRows(rows, null)).toEqual(rows);
    expect(sortRows(rows, { key: "metric:bleu", descending: true })).toEqual(rows);
  });

  it("puts sample 2 before sample 10", () => {
    const sorted = sortRows(rowsOf(record("10", 1), record("2", 1)), { key: "name", descending: false });
    expect(names(sorted)).toEqual(["2", "10"]);
  });

  it("puts other answers before the largest difference of numbers", () => {
    const a = [record("a", 1, { grounding: 0.1 }), record("b", 1, { grounding: 0.9 }), record("c", 1, { grounding: 0.5 })];
    const b = [record("a", 0, { grounding: 0.1, answer: "a cat" }), record("b", 0, { grounding: 0 }), record("c", 0, { grounding: 1 })];
    const sorted = sortRows(makeRows(a, 1, { records: b, step: 0 }), { key: "change", descending: true });
    expect(names(sorted)).toEqual(["a", "b", "c"]);
  });

});

describe("the filter", () => {
  const rows = rowsOf(
    record("1", 1, { answer: "A Red circle", prompt: "describe" }),
    record("2", 1, { answer: "a ring", prompt: "what is RED?" }),
    record("3", 1, { answer: undefined, error: "damaged: crc" }),
  );

  it("finds every word, in any case, in name, answer or prompt", () => {
    expect(names(filterRows(rows, "red"))).toEqual(["1", "2"]);
    expect(names(filterRows(rows, "  RED ring "))).toEqual(["2"]);
    expect(names(filterRows(rows, "val/3"))).toEqual(["3"]);
    expect(filterRows(rows, "red cat")).toEqual([]);
    expect(filterRows(rows, " ")).toEqual(rows);
  });

  it("finds no word across two fields", () => {
    expect(filterRows(rows, "1a")).toEqual([]);
  });
});

describe("what is in view", () => {
  it("is drawn with a few rows around it, within the table", () => {
    expect(visibleRange(0, 34, 340, 1000, 5)).toEqual({ first: 0, end: 16 });
    expect(visibleRange(3400, 34, 340, 1000, 5)).toEqual({ first: 95, end: 116 });
    expect(visibleRange(33_660, 34, 340, 1000, 5)).toEqual({ first: 985, end: 1000 });
  });

  it("is never past the end, as when a filter shortens the table", () => {
    expect(visibleRange(33_660, 34, 340, 12, 0)).toEqual({ first: 2, end: 12 });
    expect(visibleRange(500, 34, 340, 3, 5)).toEqual({ first: 0, end: 3 });
    expect(visibleRange(0, 34, 340, 0, 5)).toEqual({ first: 0, end: 0 });
  });
});

describe("metrics", () => {
  it("are those of all rows together", () => {
    const rows = rowsOf(record("1", 1, { metrics: { iou: 1 } }), record("2", 1), record("3", 1, { metrics: { auc: null, iou: 0 } }));
    expect(metricNames(rows)).toEqual(["iou", "auc"]);
  });
});
