import { describe, expect, it } from "vitest";
import {
  type SampleRecord,
  type SampleRow,
  answerParts,
  changedWords,
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
    expect(rows[0]!.words).toBe(0);
    expect([rows[1]!.other, rows[1]!.words]).toEqual([null, null]);
  });
});

describe("the changed words", () => {
  it("are those of either answer that the other does not say there", () => {
    expect(changedWords(record("1", 1), record("1", 0))).toBe(0);
    expect(changedWords(record("1", 1), record("1", 0, { answer: "a cat" }))).toBe(2);
  });

  it("are unknown of a damaged record", () => {
    expect(changedWords(record("1", 1), record("1", 0, { error: "damaged: crc" }))).toBeNull();
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

  it("may be that of another reading of a number", () => {
    const sorted = sortRows(rows, { key: "grounding", descending: false }, ({ name }) => -name.charCodeAt(4));
    expect(names(sorted)).toEqual(["f", "e", "d", "c", "b", "a"]);
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
