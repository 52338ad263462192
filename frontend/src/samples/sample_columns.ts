// The columns of numbers in the table of samples: which there are, which fit, how they write.
import { differenceOf } from "./comparison";
import { type SampleRow, metricKey, metricNames, numberOf } from "./sample_rows";

export interface NumberColumn {
  key: string;
  title: string;
  /** What the number says, where the glossary does not. */
  hint: string;
  /** In pixels. */
  width: number;
  format: (value: number) => string;
  /** Shown as B's value, A's and the difference. */
  compared: boolean;
}

const CHARACTER_WIDTH = 7;
const NARROWEST = 64;
const WIDEST = 160;

const OWN_COLUMNS: [key: string, title: string][] = [
  ["grounding", "share on picture"],
  ["lowest_grounding", "lowest share"],
  ["lowest_probability", "lowest probability"],
  ["agreement", "scales agree"],
];
const WORDS_HINT = "How many words of the two answers differ";
/** First what a triage starts from; a metric not named here comes after those that are. */
const IMPORTANCE = ["words", "lowest_probability", "lowest_grounding", "grounding"];

export function numberColumns(rows: readonly SampleRow[], comparing: boolean): NumberColumn[] {
  const columns = [
    ...metricNames(rows).map((name): [string, string] => [metricKey(name), name]),
    ...OWN_COLUMNS,
  ].map(([key, title]) => column(key, title, "", rows, comparing));
  if (!comparing) return columns;
  return [...columns, { ...made("words", "words", WORDS_HINT, rows.flatMap(({ words }) => words ?? [])), compared: false }];
}

function column(key: string, title: string, hint: string, rows: readonly SampleRow[], comparing: boolean): NumberColumn {
  const values = rows.flatMap(({ record, other }) => [numberOf(record, key) ?? [], (other && numberOf(other, key)) ?? []].flat());
  const one = made(key, title, hint, values);
  const compared = comparing && rows.some((row) => differenceOf(row, key));
  if (!compared) return { ...one, compared };
  // "0.51 → 0.47 −0.04", of which the digits are the longest's.
  const longest = Math.max(...values.map((value) => one.format(value).length));
  return { ...one, compared, width: Math.max(one.width, 26 + 7.6 * (3 * longest + 5)), hint: `${hint}: B → A, and A less B` };
}

function made(key: string, title: string, hint: string, values: readonly number[]): Omit<NumberColumn, "compared"> {
  const format = columnFormat(values);
  const [least, most] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  // With the same digits after the point, the ends of the range are the longest to write.
  const longest = Math.max(title.length, ...(values.length ? [format(least).length, format(most).length] : []));
  return { key, title, hint, width: Math.min(WIDEST, Math.max(NARROWEST, 24 + CHARACTER_WIDTH * longest)), format };
}

/** Those that fit, in their order; the less important give way, the one sorted by never does. */
export function fittingColumns<Column extends { key: string; width: number }>(
  columns: readonly Column[],
  room: number,
  sorted: string | undefined,
): Column[] {
  const rank = ({ key }: Column) => {
    if (key === sorted) return -1;
    if (key === "agreement") return IMPORTANCE.length + 1;
    return IMPORTANCE.includes(key) ? IMPORTANCE.indexOf(key) : IMPORTANCE.length;
  };
  const kept = new Set<Column>();
  let left = room;
  for (const one of [...columns].sort((a, b) => rank(a) - rank(b))) {
    left -= one.width;
    if (left < 0 && one.key !== sorted) break;
    kept.add(one);
  }
  return columns.filter((one) => kept.has(one));
}

/** How a column writes its numbers: all with the same digits, enough to tell the largest apart. */
export function columnFormat(values: readonly number[]): (value: number) => string {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const extreme = largest >= 1e6 || (largest > 0 && largest < 1e-4);
  const size = largest ? Math.floor(Math.log10(largest)) : 0;
  const decimals = values.every(Number.isInteger) ? 0 : Math.max(0, size < 0 ? 1 - size : 2 - size);
  return (value) => {
    const text = extreme ? value.toExponential(1) : value.toFixed(decimals);
    return Number(text) === 0 ? text.replace("-", "") : text.replace(/^-/, "−");
  };
}
