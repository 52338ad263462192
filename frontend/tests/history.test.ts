import { expect, test } from "vitest";
import { ViewHistory } from "../src/view/history";
import { INITIAL_VIEW } from "../src/view/state";

test("one goes back through what was looked at, and scrubbing is one view", () => {
  let now = 0;
  const history = new ViewHistory(() => now);
  const at = (step: number, more = {}) => ({ ...INITIAL_VIEW, step, ...more });
  history.record(at(0), at(1));
  now = 100;
  history.record(at(1), at(2));
  history.record(at(2), at(2, { colors: "viridis" }));
  now = 5000;
  history.record(at(2), at(2, { token: 3 }));
  expect([history.isLast(at(2, { opacity: 0.5 })), history.isLast(at(1))]).toEqual([true, false]);
  expect(history.back()).toEqual(at(2));
  expect(history.back()).toEqual(at(0));
  expect(history.back()).toBeUndefined();
  expect(history.isEmpty).toBe(true);
});
