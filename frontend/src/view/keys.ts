// Which keys are the panel's own, and what a key alone changes of the view.
import { type Explanation, MATRIX_MODES } from "../data/explanation";
import { methodOf } from "../data/method";
import { COLOR_MAPS } from "../pixels/color";
import { UNITS } from "../words/units";
import { COMPARE_MODES, type ViewState, rangesFor } from "./state";

/** Not what is typed into a field, moves a slider or presses a button. */
export function isOwnKey(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
  const target = event.composedPath()[0] as HTMLElement;
  if (target instanceof HTMLSelectElement) return false;
  if (event.key === " " && target instanceof HTMLButtonElement) return false;
  if (!(target instanceof HTMLInputElement)) return true;
  const slides = target.type === "range";
  if (slides && event.key.startsWith("Arrow")) return target.ariaLabel === "Scale";
  return (slides || target.type === "checkbox") && event.key !== " ";
}

export function changeByKey(key: string, view: ViewState, explanation: Explanation | null): Partial<ViewState> | undefined {
  const changes: Record<string, () => Partial<ViewState>> = {
    "Shift+ArrowLeft": () => ({ more: Math.max(0, view.more - 1) }),
    "Shift+ArrowRight": () => ({ more: view.more + 1 }),
    Escape: () => ({ region: null, more: 0, context: null, beside: "" }),
    v: () => ({ compare: following(COMPARE_MODES, view.compare) }),
    f: () => ({ film: !view.film }),
    l: () => ({ samples: !view.samples }),
    m: () => ({ matrix: following(explanation ? methodOf(explanation).modes : MATRIX_MODES, view.matrix) }),
    r: () => ({ range: following(rangesFor(view.compare), view.range) }),
    c: () => ({ colors: following(COLOR_MAPS, view.colors) }),
    s: () => ({ smooth: !view.smooth }),
    g: () => ({ grey: !view.grey }),
    t: () => ({ template: !view.template }),
    w: () => ({ unit: following(UNITS, view.unit), more: 0 }),
  };
  return changes[key]?.();
}

function following<Name>(names: readonly Name[], current: Name): Name {
  return names[(names.indexOf(current) + 1) % names.length]!;
}
