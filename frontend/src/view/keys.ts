// The keyboard: which keys are the panel's, and those that change nothing but the view.
import type { Explanation } from "../data/explanation";
import { modeIn, modesOf } from "../matrix/matrix_values";
import { COLOR_MAPS } from "../pixels/color";
import { UNITS } from "../words/units";
import { isCharacter, shortcutsOn } from "./shortcuts";
import { AGGREGATE, COMPARE_MODES, USED, type ViewState, rangesFor } from "./state";

/** Not for a control that has a use for it, nor for browser and screen reader. */
export function isForPanel(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
  if (isCharacter(event.key) && !shortcutsOn()) return false;
  const target = event.composedPath()[0];
  if (target instanceof HTMLSelectElement) return false;
  if (target instanceof HTMLButtonElement || (target instanceof HTMLElement && target.localName === "summary")) return event.key !== " ";
  if (!(target instanceof HTMLInputElement)) return true;
  if (target.type !== "checkbox" && target.type !== "range") return false;
  const slides = target.type === "range" && target.ariaLabel !== "Scale";
  return event.key !== " " && !(slides && event.key.startsWith("Arrow"));
}

/** Alt + ←, but where it moves through typed text. */
export function isBack(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  const typed = target instanceof HTMLInputElement && !["checkbox", "range"].includes(target.type);
  return event.altKey && event.key === "ArrowLeft" && !typed;
}

/** What a key changes of the view; undefined where it is not one of these. */
export function changedBy(key: string, view: ViewState, explanation: Explanation | null): Partial<ViewState> | undefined {
  switch (key) {
    case "v":
      return { compare: following(COMPARE_MODES, view.compare) };
    case "f":
      return { talk: view.talk === "off" ? "answer" : "off" };
    case "h":
      return { film: !view.film, grid: false };
    case "a":
      return { grid: !view.grid };
    case "l":
      return { samples: !view.samples };
    case "m":
      return { matrix: explanation ? following(modesOf(explanation), modeIn(explanation, view.matrix)) : view.matrix };
    case "u":
      return explanation?.used ? { layer: view.layer === USED ? AGGREGATE : USED } : undefined;
    case "r":
      return { range: following(rangesFor(view.compare), view.range) };
    case "c":
      return { colors: following(COLOR_MAPS, view.colors) };
    case "s":
      return { smooth: !view.smooth };
    case "g":
      return { grey: !view.grey };
    case "o":
      return { outline: !view.outline };
    case "t":
      return { template: !view.template };
    case "w":
      return { unit: following(UNITS, view.unit), more: 0 };
    default:
      return undefined;
  }
}

function following<Name>(names: readonly Name[], current: Name): Name {
  return names[(names.indexOf(current) + 1) % names.length]!;
}
