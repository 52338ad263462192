// A against B over all samples, one number at a time: numbers of different units are never mixed.
import { type Direction, directionOf } from "./directions";
import { type SampleRow, numberOf } from "./sample_rows";

export interface Difference {
  a: number;
  b: number;
  /** A less B. */
  by: number;
}

export interface Summary {
  key: string;
  direction: Direction;
  /** How many samples both have it of. */
  count: number;
  /** Means over those. */
  a: number;
  b: number;
  by: number;
  /** Half the 95 % interval of the mean difference, over samples; null of fewer than two. */
  margin: number | null;
  /** How many are higher in A, lower, and the same. */
  higher: number;
  lower: number;
  equal: number;
}

/** Of Student's t, for one to five degrees of freedom; what follows is the normal's, corrected. */
const T95 = [12.706, 4.303, 3.182, 2.776, 2.571];
const Z95 = 1.959964;

export function differenceOf(row: SampleRow, key: string): Difference | null {
  const [a, b] = [numberOf(row.record, key), row.other && numberOf(row.other, key)];
  return a === null || b === null ? null : { a, b, by: a - b };
}

/** Where more is better or less is: below zero A is the worse. Elsewhere the difference as it is. */
export function gainOf(row: SampleRow, key: string): number | null {
  const difference = differenceOf(row, key);
  return difference && difference.by * (directionOf(key) || 1);
}

/** Null where no sample has it in both. */
export function summaryOf(rows: readonly SampleRow[], key: string): Summary | null {
  const found = rows.flatMap((row) => differenceOf(row, key) ?? []);
  if (!found.length) return null;
  const mean = (part: keyof Difference) => found.reduce((sum, one) => sum + one[part], 0) / found.length;
  const count = (counts: (by: number) => boolean) => found.filter(({ by }) => counts(by)).length;
  return {
    key,
    direction: directionOf(key),
    count: found.length,
    a: mean("a"),
    b: mean("b"),
    by: mean("by"),
    margin: marginOf(found.map(({ by }) => by)),
    higher: count((by) => by > 0),
    lower: count((by) => by < 0),
    equal: count((by) => by === 0),
  };
}

/** "14 worse, 2 better, 0 equal"; higher and lower, where neither is known to be better. */
export function verdictOf({ direction, higher, lower, equal }: Summary): string {
  if (!direction) return `${lower} lower, ${higher} higher, ${equal} equal`;
  const [better, worse] = direction > 0 ? [higher, lower] : [lower, higher];
  return `${worse} worse, ${better} better, ${equal} equal`;
}

/** Half the 95 % interval of the mean of paired differences. */
export function marginOf(differences: readonly number[]): number | null {
  const count = differences.length;
  if (count < 2) return null;
  const mean = differences.reduce((sum, by) => sum + by, 0) / count;
  const variance = differences.reduce((sum, by) => sum + (by - mean) ** 2, 0) / (count - 1);
  return t95(count - 1) * Math.sqrt(variance / count);
}

function t95(freedom: number): number {
  const z = Z95;
  return T95[freedom - 1] ?? z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

export interface Bin {
  /** From `low`, up to `high`: the last one holds its end, too. */
  low: number;
  high: number;
  count: number;
}

/** Of the differences, about zero, which is where two bins meet. */
export function histogramOf(rows: readonly SampleRow[], key: string, bins = 20): Bin[] {
  const found = rows.flatMap((row) => differenceOf(row, key)?.by ?? []);
  const largest = found.reduce((most, by) => Math.max(most, Math.abs(by)), 0) || 1;
  const width = (2 * largest) / bins;
  const all = Array.from({ length: bins }, (_, i) => ({ low: i * width - largest, high: (i + 1) * width - largest, count: 0 }));
  for (const by of found) all[Math.min(bins - 1, Math.floor((by + largest) / width))]!.count++;
  return all;
}

export interface Kept {
  /** Only where A is the worse. */
  worse: boolean;
  /** Only differences between these. */
  between: readonly [number, number] | null;
}

/** The rows whose difference of the chosen number is asked for. */
export function keptRows(rows: readonly SampleRow[], key: string, { worse, between }: Kept): readonly SampleRow[] {
  if (!worse && !between) return rows;
  return rows.filter((row) => {
    const difference = differenceOf(row, key);
    if (!difference) return false;
    const within = !between || (difference.by >= between[0] && difference.by <= between[1]);
    return within && (!worse || gainOf(row, key)! < 0);
  });
}
