import { describe, expect, it } from "vitest";
import { COLOR_MAPS, colorTable } from "../src/pixels/color";
import { cellPixels } from "../src/pixels/draw_map";
import { layoutMatrix, placeAt, shownColumns, shownRows } from "../src/matrix/matrix_layout";
import { spanMap } from "../src/pixels/heatmap";
import { rangeOf } from "../src/pixels/range";
import { imagePoint, imageRect, panBy, stagePlane, zoomAt } from "../src/pixels/zoom";
import { INITIAL_VIEW } from "../src/view/state";
import { probabilityText, tokenText, valueText } from "../src/view/text";
import { explanation, layer } from "./fixture";

describe("colours", () => {
  it("grow lighter from end to end, in every map", () => {
    for (const name of COLOR_MAPS) {
      const table = colorTable(name);
      expect(table.length).toBe(768);
      const light = (i: number) => 0.2126 * table[3 * i]! + 0.7152 * table[3 * i + 1]! + 0.0722 * table[3 * i + 2]!;
      for (let i = 0; i + 16 < 256; i += 16) expect(light(i + 16), `${name} at ${i}`).toBeGreaterThan(light(i));
    }
  });

  it("for differences are dark in the middle on a dark page, and grow lighter towards both ends", () => {
    for (const name of ["RdBu on dark", "PuOr on dark"] as const) {
      const table = colorTable(name);
      const light = (i: number) => 0.2126 * table[3 * i]! + 0.7152 * table[3 * i + 1]! + 0.0722 * table[3 * i + 2]!;
      expect(light(127), name).toBeLessThan(16);
      for (let i = 128; i + 16 < 256; i += 16) {
        expect(light(i + 16), `${name} at ${i}`).toBeGreaterThan(light(i));
        expect(light(255 - i - 16), `${name} at ${255 - i}`).toBeGreaterThan(light(255 - i));
      }
    }
  });

  it("are see-through at zero, opaque from half the range, absent where there is no value", () => {
    const pixels = cellPixels(Float32Array.of(0, 1, 2, 4, 9, NaN), { low: 0, high: 4 }, "inferno", 1);
    const alpha = [...pixels].filter((_, i) => i % 4 === 3);
    expect(alpha).toEqual([0, 128, 255, 255, 255, 0]);
    expect([...pixels.slice(12, 15)]).toEqual([...colorTable("inferno").slice(765)]);
  });
});

describe("ranges", () => {
  const [coarse, fine, all] = [layer(1, [[0, 4], [1, 2]]), layer(2, [[0, 9], [1, 2]]), layer(null, [[0, 3], [1, 1]])];
  const sample = explanation("| a b", [coarse, fine, all]);
  const range = (mode: "map" | "sample" | "fixed", shown = coarse) =>
    rangeOf(sample, shown, spanMap(shown, [1], "mean"), { range: mode, fixedMax: 7 }).high;

  it("cover the map, the sample's scales, or what was fixed", () => {
    expect(range("map")).toBe(2);
    expect(range("sample")).toBe(9);
    expect(range("fixed")).toBe(7);
  });

  it("of the aggregate, which is suppressed, are its own", () => {
    expect(range("sample", all)).toBe(3);
  });
});

describe("the stage", () => {
  const [stage, image] = [{ width: 400, height: 200 }, { width: 100, height: 100 }];

  it("shows the whole image in its middle", () => {
    expect(imageRect(stage, image, INITIAL_VIEW.zoom)).toEqual({ x: 100, y: 0, width: 200, height: 200 });
  });

  it("zooms about the pointer, which keeps its place in the image", () => {
    const at = { x: 150, y: 60 };
    const zoom = zoomAt(stagePlane(stage, image), INITIAL_VIEW.zoom, at, 3);
    const rect = imageRect(stage, image, zoom);
    expect((at.x - rect.x) / rect.width).toBeCloseTo(0.25);
    expect((at.y - rect.y) / rect.height).toBeCloseTo(0.3);
    expect(zoomAt(stagePlane(stage, image), zoom, at, 0.01)).toEqual(INITIAL_VIEW.zoom);
  });

  it("pans with the pointer, never past the image", () => {
    const zoom = { factor: 2, x: 0.5, y: 0.5 };
    expect(panBy(stagePlane(stage, image), zoom, 40, 0).x).toBeCloseTo(0.4);
    expect(panBy(stagePlane(stage, image), zoom, -9999, 0).x).toBe(1);
  });

  it("finds the image's point under the pointer", () => {
    const rect = imageRect(stage, image, INITIAL_VIEW.zoom);
    expect(imagePoint(rect, 200, 50)).toEqual({ x: 0.5, y: 0.25 });
    expect(imagePoint(rect, 99, 0).x).toBeLessThan(0);
  });
});

describe("the matrix", () => {
  const sample = explanation("<s> see it | a dog <e>");

  it("hides the template's tokens unless asked", () => {
    expect(shownColumns(sample, false)).toEqual([1, 2, 3, 4]);
    expect(shownRows(sample, false)).toEqual([0, 1]);
    expect(shownRows(sample, true)).toEqual([0, 1, 2]);
  });

  it("finds the row and column under a point, and the row alone under its label", () => {
    const layout = layoutMatrix(sample, false, { width: 600, height: 400 }, { left: 80, top: 60 });
    const at = (row: number, column: number) =>
      placeAt(layout, 80 + (column + 0.5) * layout.cellWidth, 60 + (row + 0.5) * layout.cellHeight);
    expect(at(1, 2)).toEqual({ row: 1, column: 3 });
    expect(placeAt(layout, 5, 61)).toEqual({ row: 0, column: null });
    expect(placeAt(layout, 100, 20)).toBeNull();
    expect(at(0, 99)).toBeNull();
  });
});

describe("texts", () => {
  it("make blanks visible", () => {
    expect([" dog", "\n", " ", ""].map(tokenText)).toEqual(["dog", "↵", "␣", "∅"]);
  });

  it("write figures in few digits", () => {
    expect([0.9712, 0.0042, 0.00001, null].map(probabilityText)).toEqual(["0.97", "0.004", "<0.001", "–"]);
    expect([3.14159, 31.4159, 314.159, NaN].map(valueText)).toEqual(["3.14", "31.4", "314", "no value"]);
  });
});
