// What all elements share: how they ask for changes, know their size, and act only while shown; and
// the look of controls.
import { type CSSResult, LitElement, type PropertyDeclarations, css, html } from "lit";
import { Latest } from "../data/latest";
import type { Point, Size } from "../pixels/geometry";
import { isShown } from "./shown";
import type { Kept } from "../samples/comparison";
import type { Note } from "../samples/notes";
import type { Sort } from "../samples/sample_rows";
import type { ViewState } from "./state";

export interface Hover {
  /** Answer token index. */
  row: number | null;
  /** Context token index. */
  column: number | null;
}
export const NO_HOVER: Hover = { row: null, column: null };

export interface PanelEvents {
  "view-change": Partial<ViewState>;
  "table-change": { query?: string; sort?: Sort; kept?: Kept };
  /** Of the sample in view. */
  "note-change": Partial<Note>;
  "go-back": null;
  "token-select": number;
  "span-select": { from: number; to: number };
  "cursor-change": Point | null;
  "layer-select": number;
  "hover-change": Hover;
  "play-toggle": null;
  "help-open": null;
  "list-lost": null;
  "guide-toggle": boolean;
  "export-open": null;
  retry: null;
}
type CustomEvents = { [Name in keyof PanelEvents]: CustomEvent<PanelEvents[Name]> };

declare global {
  interface HTMLElementEventMap extends CustomEvents {}
}

/** Properties in, events out. */
export class PanelElement extends LitElement {
  static override properties: PropertyDeclarations = { size: { state: true } };
  /** Of what `watchSize` watches, in pixels; zero until it has room. */
  size: Size = { width: 0, height: 0 };
  /** An answer that comes after the element has gone is late, too. */
  protected readonly latest = new Latest();
  private timer = 0;
  private readonly sizes = new ResizeObserver(([entry]) => {
    const { width, height } = entry!.contentRect;
    if (width && height) this.size = { width, height };
  });

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
    this.latest.ask();
    this.repeat(0);
  }

  /** The style of a part that has come. */
  protected adopt({ styleSheet }: CSSResult): void {
    this.shadowRoot!.adoptedStyleSheets.push(styleSheet!);
  }

  protected ask<Name extends keyof PanelEvents>(name: Name, detail: PanelEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  protected watchSize(part: Element = this): void {
    this.sizes.observe(part);
  }

  /** Instead of what was repeated before; every 0 ms is never. */
  protected repeat(everyMs: number, act?: (shown: boolean) => void): void {
    window.clearInterval(this.timer);
    this.timer = everyMs && window.setInterval(() => act!(isShown()), everyMs);
  }
}

/** A menu's options. The property, not the attribute, which no longer counts once the reader has
 * chosen. What is chosen but not there is listed too, or the menu would show its first option. */
export function options<Value extends string | number>(
  values: readonly Value[],
  chosen: Value | null | undefined,
  text: (value: Value) => unknown = String,
) {
  const listed = !chosen || values.includes(chosen) ? values : [chosen, ...values];
  return listed.map((value) => html`<option value=${value} .selected=${value === chosen}>${text(value)}</option>`);
}

/** Of a property that no attribute stands for. */
export const unattributed = { attribute: false };

/** To play, or to pause what plays. */
export function playIcon(playing: boolean) {
  const path = playing ? "M2 1h3v10H2zM7 1h3v10H7z" : "M2.5 1v10l8-5z";
  return html`<svg width="12" height="12" viewBox="0 0 12 12" fill="currentColor" aria-hidden="true"><path d=${path} /></svg>`;
}

/** A canvas sized to its box in device pixels; its context, in CSS pixels, wiped. */
export function prepareCanvas(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export const controls = css`
  * {
    box-sizing: border-box;
  }
  button,
  select,
  input {
    font: inherit;
    color: inherit;
  }
  button,
  select,
  .field {
    height: 1.875rem;
    border: 1px solid var(--line);
    border-radius: 8px;
    background: var(--surface);
    color: var(--text);
    cursor: pointer;
  }
  select {
    padding: 0 6px;
  }
  button {
    padding: 0 10px;
  }
  button:hover,
  select:hover {
    border-color: var(--muted);
  }
  button.quiet {
    border-color: transparent;
    background: none;
    color: var(--muted);
  }
  button.quiet:hover {
    color: var(--text);
    background: var(--hover);
  }
  button:disabled {
    opacity: 0.4;
    cursor: default;
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  input[type="checkbox"] {
    accent-color: var(--accent);
    margin: 0;
  }
  input[type="range"] {
    appearance: none;
    background: none;
    height: 20px;
    margin: 0;
    cursor: pointer;
  }
  input[type="range"]::-webkit-slider-runnable-track {
    height: 3px;
    border-radius: 2px;
    background: var(--track);
  }
  input[type="range"]::-moz-range-track {
    height: 3px;
    border-radius: 2px;
    background: var(--track);
  }
  input[type="range"]::-webkit-slider-thumb {
    appearance: none;
    width: 14px;
    height: 14px;
    margin-top: -5.5px;
    border: 2px solid var(--surface);
    border-radius: 50%;
    background: var(--accent);
    box-shadow: 0 0 0 1px var(--accent);
  }
  input[type="range"]::-moz-range-thumb {
    width: 10px;
    height: 10px;
    border: 2px solid var(--surface);
    border-radius: 50%;
    background: var(--accent);
    box-shadow: 0 0 0 1px var(--accent);
  }
  h2 {
    margin: 0;
    font-size: 11px;
    font-weight: 600;
    letter-spacing: 0.06em;
    text-transform: uppercase;
    color: var(--muted);
  }
  .muted {
    color: var(--muted);
  }
  [data-term]:not(button, input) {
    text-decoration: underline dotted var(--track);
    text-underline-offset: 3px;
    cursor: help;
  }
  .segments {
    display: flex;
    padding: 2px;
    border-radius: 9px;
    background: var(--hover);
  }
  .segments button {
    height: 1.625rem;
    border: 0;
    background: none;
    color: var(--muted);
  }
  .segments button[aria-pressed="true"] {
    background: var(--surface);
    color: var(--text);
    font-weight: 600;
    box-shadow: 0 0 0 1px var(--line);
  }
  .number {
    font-variant-numeric: tabular-nums;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;

export const palette = css`
  :host {
    --background: #ffffff;
    --surface: #ffffff;
    --chrome: #fafafb;
    --stage: #f1f2f4;
    --text: #1f2328;
    --muted: #5c636b;
    --line: #dfe1e5;
    --track: #c9cdd3;
    --hover: #eef0f3;
    --accent: #1a66d6;
    --accent-soft: #e8f0fc;
    --warning: #b3261e;
    --warning-soft: #fdeceb;
    --better: #1a7f37;
    --grounding: 232 113 10;
    --side-a: #1a66d6;
    --side-b: #c2185b;
    --on-side: #ffffff;
    --hatch: rgb(0 0 0 / 0.35);
    --grid: rgb(255 255 255 / 0.28);
    color-scheme: light;
  }
  :host(.dark) {
    --background: #1e1f22;
    --surface: #26282c;
    --chrome: #232529;
    --stage: #17181a;
    --text: #e6e8ea;
    --muted: #a3a9b1;
    --line: #3a3d43;
    --track: #4d5158;
    --hover: #303338;
    --accent: #8ab4f8;
    --accent-soft: #2a3548;
    --warning: #f5a9a2;
    --warning-soft: #46292a;
    --better: #7ee2a0;
    --grounding: 214 100 10;
    --side-a: #8ab4f8;
    --side-b: #f48fb1;
    --on-side: #17181a;
    --hatch: rgb(255 255 255 / 0.4);
    --grid: rgb(255 255 255 / 0.18);
    color-scheme: dark;
  }
  /* The reader's colours for all but what colours say here: bars, tint, marks and maps stay. */
  @media (forced-colors: active) {
    :host,
    :host(.dark) {
      forced-color-adjust: none;
      --background: Canvas;
      --surface: Canvas;
      --chrome: Canvas;
      --stage: Canvas;
      --text: CanvasText;
      --muted: CanvasText;
      --line: CanvasText;
      --track: CanvasText;
      --hover: Canvas;
      --accent: Highlight;
      --accent-soft: Canvas;
      --warning: CanvasText;
      --warning-soft: Canvas;
      --side-a: Highlight;
      --side-b: LinkText;
      --on-side: Canvas;
    }
  }
`;
