// What a reload of the index has brought, and what it has dropped or replaced.
import type { IndexResponse } from "../data/api";
import type { Place } from "../data/explanation_source";
import { placesOf } from "./places";

export function reloaded(before: IndexResponse, now: IndexResponse): { come: Place[]; there: (place: Place) => boolean; other: Place[] } {
  const [known, found] = [placesOf(before), placesOf(now)];
  const samples = new Set(Array.from(known.values(), ({ place }) => JSON.stringify([place.run, place.tag])));
  const come = Array.from(found).flatMap(([key, { place }]) => (!known.has(key) && samples.has(JSON.stringify([place.run, place.tag])) ? place : []));
  const other = [...known, ...found].flatMap(([key, { place }]) => (known.get(key)?.time === found.get(key)?.time ? [] : place));
  return { come, there: (place) => found.has(JSON.stringify(place)), other };
}
