import { afterEach, describe, expect, it, vi } from "vitest";
import { steered, strongestCell } from "../src/pixels/steer";
import { isCharacter, keepShortcuts, shortcutsOn } from "../src/view/shortcuts";
import { partsOf } from "../src/view/spoken_parts";
import { INITIAL_VIEW } from "../src/view/state";
import { explanation } from "./fixture";

const GRID = { rows: 4, cols: 4 };
const press = (key: string, shiftKey = false) => ({ key, shiftKey });

describe("a region by keys", () => {
  const region = strongestCell({ ...GRID, values: Float32Array.from({ length: 16 }, (_, i) => (i === 6 ? -9 : NaN)) });

  it("begins at the strongest cell", () => {
    expect(region).toEqual({ left: 0.5, right: 0.75, top: 0.25, bottom: 0.5 });
  });

  it("moves and grows by cells, keeps within the image and has one at least", () => {
    expect(steered(region, press("ArrowRight"), GRID)).toEqual({ ...region, left: 0.75, right: 1 });
    const grown = steered(region, press("ArrowDown", true), GRID)!;
    expect(grown).toEqual({ ...region, bottom: 0.75 });
    expect(steered(grown, press("ArrowUp"), GRID)).toEqual({ ...grown, top: 0, bottom: 0.5 });
    expect(steered({ ...region, left: 0.75, right: 1 }, press("ArrowRight"), GRID)).toMatchObject({ left: 0.75, right: 1 });
    expect(steered(region, press("ArrowLeft", true), GRID)).toEqual(region);
    expect(steered(region, press("x"), GRID)).toBeNull();
  });
});

describe("keys of one character", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("are letters, digits and signs, and neither space nor named keys", () => {
    expect(["f", "?", "0", "é", "[", " ", "Enter", "ArrowUp"].filter(isCharacter)).toEqual(["f", "?", "0", "é", "["]);
  });

  it("stay off where they were switched off, also without storage", () => {
    const stored = new Map<string, string>();
    const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => stored.set(key, value), removeItem: (key: string) => stored.delete(key) };
    for (const found of [storage, undefined]) {
      vi.stubGlobal("localStorage", found);
      expect(shortcutsOn()).toBe(true);
      keepShortcuts(false);
      expect(shortcutsOn()).toBe(false);
      keepShortcuts(true);
      expect(shortcutsOn()).toBe(true);
    }
  });
});

it("says what a view shows, part by part, so that what has changed can be told", () => {
  const view = { ...INITIAL_VIEW, tag: "mmx/val/0", run: "r", step: 1300 };
  const one = partsOf(view, explanation("see | a dog"));
  expect(one).toEqual(["sample val/0", "run r", "step 1,300", "all scales, 1 by 2", "one checkpoint", "whole picture"]);
  const other = partsOf({ ...view, layer: "1", region: { left: 0.25, right: 0.5, top: 0, bottom: 0.5 } }, explanation("see | a dog"));
  expect(other.filter((part) => !one.includes(part))).toEqual(["scale 1×, 1 by 2", "region from 25 to 50 percent across, 0 to 50 down"]);
});
