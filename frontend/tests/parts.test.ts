// What is loaded when it is asked for, and what is said where it cannot be had.
import { afterEach, expect, test, vi } from "vitest";
import { Parts } from "../src/view/parts";

afterEach(() => vi.useRealTimers());

interface Told {
  strings: readonly string[];
  values: unknown[];
}
/** All that a template says, without its markup. */
function words(told: unknown): string {
  if (typeof told !== "object" || !told) return typeof told === "string" ? told : "";
  const { strings, values } = told as Told;
  return (strings ?? []).map((text, i) => text.replace(/<[^>]*>|<[^>]*$|^[^<]*>/g, "") + words(values[i])).join(" ");
}

function parts(load: () => Promise<unknown>, answers = true) {
  const changed = vi.fn();
  return { changed, parts: new Parts({ film: ["the film", load] }, changed, () => Promise.resolve(answers)) };
}

test("a part is asked for once, and shown when it has come", async () => {
  const load = vi.fn(() => Promise.resolve());
  const { parts: some, changed } = parts(load);
  expect(words(some.show("film", () => "film"))).not.toContain("film");
  some.show("film", () => "film");
  await vi.waitFor(() => expect(changed).toHaveBeenCalled());
  expect(some.show("film", () => "film")).toBe("film");
  expect(load).toHaveBeenCalledOnce();
});

test("a part that is not served although its page is was left behind by an update", async () => {
  const { parts: some } = parts(() => Promise.reject(new Error("404")));
  expect(await some.load("film")).toBe(false);
  expect(words(some.show("film", () => "film"))).toMatch(/was updated .* reload it for the film/);
  expect(words(some.trouble("film", () => undefined))).toContain("Reload");
});

test("a part that a silent server did not send is asked for again, while it is wanted", async () => {
  vi.useFakeTimers();
  const load = vi.fn((): Promise<unknown> => Promise.reject(new Error("gone")));
  const { parts: some, changed } = parts(load, false);
  some.show("film", () => "film");
  await vi.advanceTimersByTimeAsync(0);
  expect(words(some.show("film", () => "film"))).toMatch(/does not answer: the film cannot be loaded/);
  load.mockImplementation(() => Promise.resolve());
  changed.mockClear();
  await vi.advanceTimersByTimeAsync(5000);
  expect(changed).toHaveBeenCalledOnce();
  some.show("film", () => "film");
  await vi.advanceTimersByTimeAsync(0);
  expect(some.show("film", () => "film")).toBe("film");
});

test("what has no place of its own is said until it is given up", async () => {
  vi.useFakeTimers();
  const load = vi.fn(() => Promise.reject(new Error("gone")));
  const { parts: some } = parts(load, false);
  await some.load("film");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(load).toHaveBeenCalledOnce();
  expect(words(some.trouble("film", () => undefined))).toMatch(/does not answer/);
  some.giveUp("film");
  expect(words(some.trouble("film", () => undefined))).toBe("");
});
