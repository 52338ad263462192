/** Where each step's column begins: as far apart as the steps are, as far as there is room, and never
 * one over the other. */
export function filmPlaces(steps: readonly number[], cell: number, gap: number, room: number): number[] {
  const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 0];
  const scale = last > first ? Math.max(0, room - cell) / (last - first) : 0;
  const places: number[] = [];
  for (const step of steps) places.push(Math.max(Math.round((step - first) * scale), (places.at(-1) ?? -cell - gap) + cell + gap));
  return places;
}

/** Which column a point is in; -1 between them. */
export function columnAt(places: readonly number[], cell: number, x: number): number {
  return places.findIndex((place) => x >= place && x < place + cell);
}
