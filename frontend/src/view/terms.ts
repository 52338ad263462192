// Which term of the glossary is asked about: what is pointed at for a moment, focused or tapped.

export interface Asked {
  term: string;
  /** Where what bears it stands. */
  at: DOMRect;
}

/** Nobody who only passes by wants to read. */
const REST_MS = 350;

/** Tells of each term that is asked about within `root`, and when it no longer is. */
export function watchTerms(root: HTMLElement, tell: (asked: Asked | null) => void): void {
  let timer = 0;
  let [over, shown]: (HTMLElement | null)[] = [null, null];
  const show = (bearer: HTMLElement | null) => {
    window.clearTimeout(timer);
    over = bearer;
    if (bearer === shown) return;
    shown = bearer;
    tell(bearer && { term: bearer.dataset.term!, at: bearer.getBoundingClientRect() });
  };
  // Neither pointerover nor focusin leaves an element's own tree where both ends are in it.
  root.addEventListener("pointermove", (event) => {
    const bearer = bearerOf(event);
    if (event.pointerType === "touch" || bearer === over) return;
    show(null);
    over = bearer;
    if (bearer) timer = window.setTimeout(() => show(bearer), REST_MS);
  });
  root.addEventListener("pointerleave", () => show(null));
  root.addEventListener("keyup", (event) => event.key === "Tab" && show(bearerOf(event)));
  root.addEventListener("click", (event) => show(bearerOf(event)));
  root.addEventListener("keydown", ({ key }) => key === "Escape" && show(null));
  root.addEventListener("scroll", () => show(null), true);
}

function bearerOf(event: Event): HTMLElement | null {
  const found = event.composedPath().find((part) => part instanceof HTMLElement && part.dataset.term);
  return (found as HTMLElement | undefined) ?? null;
}
