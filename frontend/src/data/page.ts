// A page of its own, made of what is on screen.
import type { IndexResponse, PanelApi } from "./api";
import type { Place } from "./explanation_source";
import { fetchChecked } from "./fetch_checked";
import { ELEMENT_ID, type EmbeddedData } from "./embedded";

/** The data of some explanations, with an index that lists only them. */
export async function embed(
  api: PanelApi,
  index: IndexResponse,
  places: (Place & { images: string[] })[],
  view: Record<string, string>,
): Promise<EmbeddedData> {
  const here = (run: string, tag: string, step: number) =>
    places.some((place) => place.run === run && place.tag === tag && place.step === step);
  const data: EmbeddedData = { version: 1, index: { version: index.version, runs: [] }, records: {}, images: {}, explanations: [], view };
  for (const { run, samples } of index.runs) {
    const kept = samples.flatMap((sample) => {
      const steps = sample.steps.filter((step) => here(run, sample.tag, step));
      const times = steps.map((step) => sample.wall_times[sample.steps.indexOf(step)]!);
      return steps.length ? [{ ...sample, steps, wall_times: times }] : [];
    });
    if (!kept.length) continue;
    const records = (await api.records(run)).filter((record) => here(run, record.tag, record.step));
    const known = places.flatMap((place) => (place.run === run ? place.images : []));
    const images = [...new Set([...known, ...records.flatMap((record) => record.image ?? [])])];
    data.index.runs.push({ run, samples: kept, images });
    data.records[run] = records;
    for (const hash of images) {
      // A missing image costs the page that image.
      const address = await dataAddress(api.imageAddress(run, hash)).catch(() => "");
      if (address) data.images[hash] = address;
    }
  }
  for (const { run, tag, step } of places) {
    const blobs = (await api.blobs(run, tag, step)).map(base64Of);
    data.explanations.push({ run, tag, step, wall_time: null, blobs });
  }
  return data;
}

async function dataAddress(address: string): Promise<string> {
  if (address.startsWith("data:")) return address;
  const blob = await (await fetchChecked(address)).blob();
  return `data:${blob.type};base64,${base64Of(new Uint8Array(await blob.arrayBuffer()))}`;
}

function base64Of(bytes: Uint8Array): string {
  let text = "";
  // In parts, because a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** The page as text, from the panel's own bundle; nothing in the data can end a script element. */
export function standalonePage(data: EmbeddedData, bundle: string, title: string): string {
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const named = title.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${named}</title></head><body>` +
    `<script type="application/json" id="${ELEMENT_ID}">${json}</script>` +
    `<script type="module">${inline(bundle)}</script></body></html>`
  );
}

/** In a module's strings nothing may end the script, or begin a comment that hides its end. */
function inline(bundle: string): string {
  return bundle.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "\\x3c!--");
}
