// Whether anybody can see the panel.

/** A tab that is not shown keeps its frame, at no height. */
export function isShown(): boolean {
  return !document.hidden && window.innerHeight > 0;
}

/** At once, where it is shown. */
export function whenShown(): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!isShown()) return;
      window.removeEventListener("resize", check);
      document.removeEventListener("visibilitychange", check);
      resolve();
    };
    window.addEventListener("resize", check);
    document.addEventListener("visibilitychange", check);
    check();
  });
}
