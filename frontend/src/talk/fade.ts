// From one picture to the next, softly.
const FADE_MS = 300;

export class Fade {
  private before: OffscreenCanvas | null = null;
  private frame = 0;

  /** `context` is scaled to the screen's pixels; `draw` fills all of it. */
  show(context: CanvasRenderingContext2D, draw: (context: CanvasRenderingContext2D) => void, soft: boolean): void {
    this.stop();
    const { canvas } = context;
    const after = new OffscreenCanvas(canvas.width, canvas.height);
    // The drawing functions use what both kinds of context share.
    const hidden = after.getContext("2d") as unknown as CanvasRenderingContext2D;
    hidden.setTransform(context.getTransform());
    draw(hidden);
    const { before } = this;
    this.before = after;
    const put = (share: number) => {
      context.setTransform(1, 0, 0, 1, 0, 0);
      if (before && share < 1) context.drawImage(before, 0, 0);
      context.globalAlpha = share;
      context.drawImage(after, 0, 0);
      context.globalAlpha = 1;
    };
    if (!soft || !before) return put(1);
    const start = performance.now();
    const step = (now: number) => {
      const share = Math.min(1, Math.max(0, (now - start) / FADE_MS));
      put(share);
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    put(0);
    this.frame = requestAnimationFrame(step);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
  }
}
