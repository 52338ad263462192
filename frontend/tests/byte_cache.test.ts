import { expect, it } from "vitest";
import { ByteCache } from "../src/data/byte_cache";

it("lets the least recently used go once the bytes pass the limit", () => {
  const cache = new ByteCache<string>(10);
  cache.set("a", "A", 4);
  cache.set("b", "B", 4);
  cache.get("a");
  cache.set("c", "C", 4);
  expect([cache.has("a"), cache.has("b"), cache.has("c")]).toEqual([true, false, true]);
  expect(cache.bytes).toBe(8);
});

it("keeps the newest even when it alone passes the limit", () => {
  const cache = new ByteCache<string>(10);
  cache.set("big", "B", 99);
  expect(cache.get("big")).toBe("B");
});
