// What the panel needs of the page that it is in. Elements know this and nothing of where they are:
// tensorboard_host.ts is TensorBoard's frame, page_host.ts a page of our own (saved, or in a notebook),
// vscode_host.ts an editor's webview.
import type { PanelApi } from "../data/api";
import type { StepLoader } from "../data/step_loader";

export type Parameters = Record<string, string>;

export interface SourceLine {
  file: string;
  /** From 1. */
  line: number;
}

export interface Host {
  /** Where the data comes from, and the view that it is opened with. */
  data(): Promise<{ api: PanelApi; loader: StepLoader; view: Parameters }>;
  /** What can be had ahead of time, once the panel stands. */
  warmUp(): void;
  /** Now, and whenever it changes. */
  followTheme(apply: (dark: boolean) => void): void;
  readState(): Parameters;
  /** A name that is absent is kept no longer. A new view is one that the browser can go back from, where it can. */
  writeState(names: readonly string[], parameters: Parameters, isNew: boolean): void;
  /** One entry back in the browser's history, if the last one there is a view that was written; tells whether it was. */
  goBack?(): boolean;
  /** The state was changed by others. */
  watchState(changed: () => void): void;
  /** There may be new data. */
  watchNews(news: () => unknown): void;
  takeFocus(): void;
  /** To this view; empty where there is no address to share. */
  link(parameters: Parameters): string;
  /** The whole panel as one module. */
  bundle(): Promise<string>;
  /** Absent where a link downloads; tells whether it was saved. */
  save?(name: string, content: Blob): Promise<boolean>;
  /** Absent where no editor listens. */
  openSource?(place: SourceLine): void;
}

/** A log may come from anybody, and name another machine or a command: only a path from the root is opened. */
export function isRooted(file: string): boolean {
  return /^\/(?![\\/])\P{C}*$/u.test(file);
}

/** Follows the browser, where nobody else has a theme. */
export function followBrowser(apply: (dark: boolean) => void): void {
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  apply(preferred.matches);
  preferred.addEventListener("change", () => apply(preferred.matches));
}

export function guarded<Result>(reach: () => Result, otherwise: Result): Result {
  try {
    return reach();
  } catch {
    return otherwise;
  }
}
