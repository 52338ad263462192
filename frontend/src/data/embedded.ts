// A page that carries its data with it: no server, no network (mmx_core/export/standalone.md).
import type { IndexRecord, IndexResponse } from "./api";

export interface EmbeddedExplanation {
  run: string;
  tag: string;
  step: number;
  wall_time: number | null;
  /** Base64, as logged. */
  blobs: string[];
}

export interface EmbeddedData {
  version: 1;
  index: IndexResponse;
  records: Record<string, IndexRecord[]>;
  /** Data URLs by content hash. */
  images: Record<string, string>;
  explanations: EmbeddedExplanation[];
  /** The address's parameters that the page opens with. */
  view: Record<string, string>;
}

export const ELEMENT_ID = "mmx-data";

export function embeddedData(): EmbeddedData | null {
  const text = document.getElementById(ELEMENT_ID)?.textContent;
  return text ? (JSON.parse(text) as EmbeddedData) : null;
}
