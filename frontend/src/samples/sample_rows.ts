// The rows of the table of samples: which records they show, their order, and which are in view.
import { align } from "../words/alignment";
import type { IndexRecord as SampleRecord } from "../data/api";
import { naturalText, sampleName } from "../view/text";

export type { SampleRecord };

/** A run's records and the step that is shown of them; null for the latest. */
export interface RecordsAtStep {
  records: readonly SampleRecord[];
  step: number | null;
}

export interface SampleRow {
  tag: string;
  name: string;
  record: SampleRecord;
  /** B's; null where B has none, or nothing is compared. */
  other: SampleRecord | null;
  /** How many words of the two answers the other does not say; null without B, or of damaged records. */
  words: number | null;
}

/** What rows are ordered by: "name", "answer", "words" that changed, or a number's key: its difference, while
 * something is compared. */
export interface Sort {
  key: string;
  descending: boolean;
}

/** Part of an answer; changed where B says something else. */
export interface Part {
  text: string;
  changed: boolean;
}

/** More words than one line shows. */
const LONGEST_LINE = 100;
const METRIC = "metric:";
const OWN_NUMBERS = ["grounding", "lowest_grounding", "lowest_probability", "agreement"] as const;
type Value = number | null | undefined;

export function metricKey(name: string): string {
  return METRIC + name;
}

/** One row per sample, in the order of the records. */
export function makeRows(
  records: readonly SampleRecord[],
  step: number | null,
  other: RecordsAtStep | null,
): SampleRow[] {
  const theirs = other && nearestRecords(other.records, other.step);
  return Array.from(nearestRecords(records, step).values(), (record) => {
    const counterpart = theirs?.get(record.tag) ?? null;
    return {
      tag: record.tag,
      name: sampleName(record.tag),
      record,
      other: counterpart,
      words: counterpart && changedWords(record, counterpart),
    };
  });
}

/** Each sample's record nearest to the step, the earlier of two: what the panel opens. */
function nearestRecords(records: readonly SampleRecord[], wanted: number | null): Map<string, SampleRecord> {
  const nearest = new Map<string, SampleRecord>();
  const distance = (step: number) => (wanted === null ? -step : Math.abs(step - wanted));
  for (const record of records) {
    const best = nearest.get(record.tag);
    const closer = best ? distance(record.step) - distance(best.step) : -1;
    // Of a step that was logged twice the later record counts.
    if (closer < 0 || (closer === 0 && record.step <= best!.step)) nearest.set(record.tag, record);
  }
  return nearest;
}

/** Null where either record is damaged. */
export function changedWords(a: SampleRecord, b: SampleRecord): number | null {
  if (a.error || b.error) return null;
  const [mine, theirs] = [wordsOf(answerOf(a)), wordsOf(answerOf(b))];
  return align(mine, theirs).filter((pair) => pair.a === null || pair.b === null || mine[pair.a] !== theirs[pair.b]).length;
}

/** The names of all metrics that any row has. */
export function metricNames(rows: readonly SampleRow[]): string[] {
  const names = new Set<string>();
  for (const { record } of rows) for (const name in record.metrics) names.add(name);
  return [...names];
}

/** A metric or one of the record's own numbers; null where it was not logged or is not finite. */
export function numberOf(record: SampleRecord, key: string): number | null {
  const value = key.startsWith(METRIC)
    ? record.metrics?.[key.slice(METRIC.length)]
    : record[key as (typeof OWN_NUMBERS)[number]];
  return isNumber(value) ? value : null;
}

function isNumber(value: Value): value is number {
  return Number.isFinite(value);
}

/** Rows that have no value come last in either direction; equal rows keep their order.
 * @param valueOf Of a number's key. */
export function sortRows(
  rows: readonly SampleRow[],
  sort: Sort | null,
  valueOf = ({ record }: SampleRow, key: string) => numberOf(record, key),
): readonly SampleRow[] {
  if (!sort) return rows;
  const sign = sort.descending ? -1 : 1;
  const keyed = rows.map((row) => ({ row, values: sortValues(row, sort.key, valueOf) }));
  const known = keyed.filter(({ values }) => values.length);
  const missing = keyed.filter(({ values }) => !values.length);
  known.sort((one, two) => sign * compare(one.values, two.values));
  return [...known, ...missing].map(({ row }) => row);
}

/** What a row is ordered by, first things first; empty where it has nothing. */
function sortValues(row: SampleRow, key: string, valueOf: (row: SampleRow, key: string) => number | null): readonly (number | string)[] {
  const { name, record, words } = row;
  if (key === "name") return [naturalText(name)];
  if (key === "answer") return record.answer === undefined ? [] : [answerOf(record).toLowerCase()];
  const value = key === "words" ? words : valueOf(row, key);
  return value === null ? [] : [value];
}

function compare(one: readonly (number | string)[], two: readonly (number | string)[]): number {
  for (let i = 0; i < one.length; i++) {
    if (one[i]! < two[i]!) return -1;
    if (one[i]! > two[i]!) return 1;
  }
  return 0;
}

/** Which rows to draw, from `first` up to but without `end`: those in view and a few around. */
export function visibleRange(
  scrollTop: number,
  rowHeight: number,
  viewport: number,
  count: number,
  overscan: number,
): { first: number; end: number } {
  const last = Math.max(0, Math.ceil((count * rowHeight - viewport) / rowHeight));
  const top = Math.min(last, Math.max(0, Math.floor(scrollTop / rowHeight)));
  return {
    first: Math.max(0, top - overscan),
    end: Math.min(count, top + Math.ceil(viewport / rowHeight) + 1 + overscan),
  };
}

/** The line that A's answer begins with, cut where it begins or ceases to say what B's says. */
export function answerParts({ record, other }: SampleRow): Part[] {
  const mine = wordsOf(answerOf(record));
  const theirs = other && !other.error ? wordsOf(answerOf(other)) : mine;
  const kept = new Set<number>();
  for (const { a, b } of align(mine, theirs)) if (a !== null && b !== null && mine[a] === theirs[b]) kept.add(a);
  const parts: Part[] = [];
  mine.forEach((word, i) => {
    const before = parts.at(-1);
    const changed = !kept.has(i);
    if (before?.changed === changed) before.text += ` ${word}`;
    else parts.push({ text: word, changed });
  });
  return parts;
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/, LONGEST_LINE + 1).filter(Boolean);
}

export function answerOf(record: SampleRecord): string {
  return record.answer ?? "";
}
