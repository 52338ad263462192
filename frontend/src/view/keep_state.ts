// The host's state follows the view, a moment later; a changed state changes the view, and is not written back:
// the browser goes through its own history, and the panel's Back through the same.
import type { Host } from "./host";
import type { PanelModel } from "./model";
import { PARAMETER_NAMES, fromParameters, toParameters } from "./state";

const WRITE_DELAY_MS = 250;
/** The browser goes back a moment after it was asked to: what is written meanwhile would be written over that view. */
const LEAVE_MS = 1000;

/** @returns Goes to the view before. */
export function keepState(model: PanelModel, host: Host): () => void {
  let timer = 0;
  /** Of the model's views, how many the browser can go back through; and by how many with each press. */
  let views = 0;
  const presses: number[] = [];
  /** What the host has of us: it tells of that as well, a moment later. */
  let known = "";
  let left = -Infinity;
  const write = () => {
    if (performance.now() - left < LEAVE_MS) return;
    const parameters = toParameters(model.view);
    known = JSON.stringify(fromParameters(parameters));
    const { count } = model.history;
    if (count > views) presses.push(count - views);
    host.writeState(PARAMETER_NAMES, parameters, count > views);
    views = count;
  };
  model.subscribe(() => {
    window.clearTimeout(timer);
    // The first view at once: it is what one comes back to.
    if (model.status.kind === "ready") timer = window.setTimeout(write, known ? WRITE_DELAY_MS : 0);
  });
  host.watchState(() => {
    const view = fromParameters(host.readState());
    if (!view.run || JSON.stringify(view) === known) return;
    known = JSON.stringify(view);
    left = -Infinity;
    if (!model.history.isLast(view)) return void model.change(view);
    presses.pop();
    views = model.history.count - 1;
    void model.back();
  });
  return () => {
    // Where the browser's last entry is this very view's: left there, it would be a press that does nothing.
    const isWritten = model.history.count === views && presses.at(-1) === 1;
    if (isWritten && host.goBack?.()) left = performance.now();
    else void model.back();
  };
}
