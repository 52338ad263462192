// Where a long text stands in its box. scrollIntoView would move the page as well.

/** No further than it takes to see the part whole. */
export function reveal(box: HTMLElement, part: HTMLElement): void {
  const top = part.offsetTop - box.offsetTop;
  box.scrollTop = Math.min(top, Math.max(top + part.offsetHeight + 6 - box.clientHeight, box.scrollTop));
}

/** Whether less than so many pixels are left above what is seen, and below. */
export function nearEnds({ scrollTop, scrollHeight, clientHeight }: HTMLElement, pixels: number): [boolean, boolean] {
  return [scrollTop < pixels, scrollHeight - clientHeight - scrollTop < pixels];
}
