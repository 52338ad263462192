import { describe, expect, it } from "vitest";
import { columnFormat, fittingColumns, numberColumns } from "../src/samples/sample_columns";
import { makeRows } from "../src/samples/sample_rows";

describe("columns", () => {
  it("are the metrics, the record's own numbers and, while comparing, the changed words", () => {
    const records = [{ tag: "mmx/val/1", step: 1, metrics: { iou: 0.5 } }];
    const keys = (comparing: boolean) => numberColumns(makeRows(records, null, null), comparing).map(({ key }) => key);
    expect(keys(false)).toEqual(["metric:iou", "grounding", "lowest_grounding", "lowest_probability", "agreement"]);
    expect(keys(true)).toEqual([...keys(false), "words"]);
  });

  it("give way from the least important, never the one sorted by", () => {
    const own = ["grounding", "lowest_grounding", "lowest_probability", "agreement"];
    const columns = ["metric:iou", "metric:auc", ...own, "words"].map((key) => ({ key, width: 100 }));
    const keys = (room: number, sorted?: string) => fittingColumns(columns, room, sorted).map(({ key }) => key);
    expect(keys(700)).toEqual(columns.map(({ key }) => key));
    expect(keys(550)).toEqual(["metric:iou", "grounding", "lowest_grounding", "lowest_probability", "words"]);
    expect(keys(350)).toEqual(["lowest_grounding", "lowest_probability", "words"]);
    expect(keys(250)).toEqual(["lowest_probability", "words"]);
    expect(keys(250, "metric:auc")).toEqual(["metric:auc", "words"]);
    expect(keys(20, "agreement")).toEqual(["agreement"]);
  });

  it.each([
    [[0.123, 0.9], 0.123, "0.12"],
    [[0.5, 1], 1, "1.00"],
    [[12.34, 3.2], 3.2, "3.2"],
    [[512.4], 512.4, "512"],
    [[3, 41], 3, "3"],
    [[0.0123], 0.0123, "0.012"],
    [[-0.5, 0.25], -0.5, "−0.50"],
    [[-0.001, 0.9], -0.001, "0.00"],
    [[2_500_000.5], 2_500_000.5, "2.5e+6"],
    [[], 0, "0"],
  ])("write numbers with the digits that tell the column's apart", (values, value, text) => {
    expect(columnFormat(values)(value)).toBe(text);
  });
});
