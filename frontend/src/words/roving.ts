// One tab stop for many words: arrows go from one to the next.

/** Moves the focus within the group that listens; whoever asks is asked no further. */
export function rove(event: KeyboardEvent): void {
  if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  const group = event.currentTarget as HTMLElement;
  const words = [...group.querySelectorAll("button")];
  const at = words.indexOf(event.composedPath()[0] as HTMLButtonElement);
  const back = getComputedStyle(event.composedPath()[0] as HTMLElement).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
  const to = { [back]: at - 1, [back === "ArrowLeft" ? "ArrowRight" : "ArrowLeft"]: at + 1, Home: 0, End: words.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  words[to]?.focus();
}
