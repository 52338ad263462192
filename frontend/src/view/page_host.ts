// A page of our own: saved, shown from a script, or in a notebook's sandboxed frame. It carries its data.
import type { EmbeddedData } from "../data/embedded";
import { EmbeddedApi } from "../data/embedded_api";
import { type Host, type Parameters, followBrowser } from "./host";

export class PageHost implements Host {
  constructor(private readonly embedded: EmbeddedData) {}

  data() {
    const api = new EmbeddedApi(this.embedded);
    return Promise.resolve({ api, loader: api, view: this.embedded.view });
  }

  warmUp(): void {}
  followTheme = followBrowser;
  readState(): Parameters {
    return {};
  }
  writeState(): void {}
  watchState(): void {}
  watchNews(): void {}
  takeFocus(): void {}
  link(): string {
    return "";
  }

  /** Its own script. */
  bundle(): Promise<string> {
    const own = [...document.scripts].find(({ type, textContent, src }) => type === "module" && textContent && !src);
    return Promise.resolve(own!.textContent!.replaceAll("<\\/script", "</script"));
  }
}
