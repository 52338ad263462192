// The columns of numbers in the table of samples: which there are, which fit, how they write.
import { type SampleRow, metricKey, metricNames, numberOf } from "./sample_rows";

export interface NumberColumn {
  key: string;
  title: string;
  /** What the number says, where the glossary does not. */
  hint: string;
  /** In pixels. */
  width: number;
  format: (value: number) => string;
}

const CHARACTER_WIDTH = 7;
const NARROWEST = 64;
const WIDEST = 160;
/** Room for a mark, the name of a number and the number. */
const CHANGE_WIDTH = 192;

const OWN_COLUMNS: [key: string, title: string][] = [
  ["grounding", "share on picture"],
  ["lowest_grounding", "lowest share"],
  ["lowest_probability", "lowest probability"],
  ["agreement", "scales agree"],
];
const CHANGE_HINT = "Whether A's answer is another than B's, and the number that differs most (A less B)";
/** First what a triage starts from; a metric not named here comes after those that are. */
const IMPORTANCE = ["change", "lowest_probability", "lowest_grounding", "grounding"];

export function numberColumns(rows: readonly SampleRow[], comparing: boolean): NumberColumn[] {
  const columns = [
    ...metricNames(rows).map((name): [string, string] => [metricKey(name), name]),
    ...OWN_COLUMNS,
  ].map(([key, title]) => column(key, title, "", rows, ({ record }) => numberOf(record, key)));
  if (!comparing) return columns;
  const change = column("change", "change", CHANGE_HINT, rows, (row) => row.change?.amount ?? null);
  return [...columns, { ...change, width: CHANGE_WIDTH }];
}

function column(
  key: string,
  title: string,
  hint: string,
  rows: readonly SampleRow[],
  read: (row: SampleRow) => number | null,
): NumberColumn {
  const values: number[] = [];
  let [least, most] = [Infinity, -Infinity];
  for (const row of rows) {
    const value = read(row);
    if (value === null) continue;
    values.push(value);
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const format = columnFormat(values);
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
