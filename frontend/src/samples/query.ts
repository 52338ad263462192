// What is typed into the filter of samples: words to find, or conditions on numbers, as in
// "obj_iou < .3 and p < .5" or "change.obj_iou < 0 and not tagged".
import { differenceOf } from "./comparison";
import { type SampleRow, answerOf, metricKey, numberOf } from "./sample_rows";

export type Test = (row: SampleRow) => boolean;
export interface Query {
  test: Test;
  /** Why it cannot be read; then nothing is left out. */
  trouble: string;
}

const ALIASES: Record<string, string> = { p: "lowest_probability", probability: "lowest_probability", lowest_p: "lowest_probability" };
const OPERATORS: Record<string, (a: number, b: number) => boolean> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
};
const SYMBOLS = /\s*(<=|>=|==|!=|[<>=()]|"[^"]*"|[^\s<>=!()"]+)/y;

/** Of a typed text: conditions where it compares anything, else words that must all occur. */
export function parseQuery(text: string, names: readonly string[], isTagged: (tag: string) => boolean = () => false): Query {
  if (!/[<>=]|\btagged\b/.test(text)) return { test: allWords(text), trouble: "" };
  try {
    return { test: new Parser(text, names, isTagged).whole(), trouble: "" };
  } catch (error) {
    return { test: () => true, trouble: (error as Error).message };
  }
}

function allWords(text: string): Test {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ name, record }) => {
    const said = `${name}\n${answerOf(record)}\n${record.prompt ?? ""}`.toLowerCase();
    return words.every((word) => said.includes(word));
  };
}

class Parser {
  private readonly symbols: string[];
  private at = 0;

  constructor(
    text: string,
    private readonly names: readonly string[],
    private readonly isTagged: (tag: string) => boolean,
  ) {
    this.symbols = Array.from(text.trimEnd().matchAll(new RegExp(SYMBOLS, "g")), (match) => match[1]!);
  }

  whole(): Test {
    const test = this.either();
    if (this.at < this.symbols.length) throw new Error(`“${this.next}” is not expected here.`);
    return test;
  }

  private get next(): string {
    return this.symbols[this.at] ?? "";
  }

  private take(...wanted: string[]): boolean {
    const found = wanted.includes(this.next.toLowerCase());
    if (found) this.at++;
    return found;
  }

  private either(): Test {
    let test = this.both();
    while (this.take("or")) {
      const [one, other] = [test, this.both()];
      test = (row) => one(row) || other(row);
    }
    return test;
  }

  private both(): Test {
    let test = this.single();
    while (this.take("and") || (this.next && !["or", ")"].includes(this.next.toLowerCase()))) {
      const [one, other] = [test, this.single()];
      test = (row) => one(row) && other(row);
    }
    return test;
  }

  private single(): Test {
    if (this.take("not")) {
      const test = this.single();
      return (row) => !test(row);
    }
    if (this.take("(")) {
      const test = this.either();
      if (!this.take(")")) throw new Error("A “)” is missing.");
      return test;
    }
    if (!this.next) throw new Error("Something is missing at the end.");
    const first = this.symbols[this.at++]!;
    const compare = OPERATORS[this.next];
    if (!compare && first in OPERATORS) throw new Error(`“${first}” needs a number before it.`);
    if (!compare) return first.toLowerCase() === "tagged" ? ({ tag }) => this.isTagged(tag) : allWords(first.replaceAll('"', ""));
    this.at++;
    if (!this.next) throw new Error("A number is missing at the end.");
    const [left, right] = [this.number(first), this.number(this.symbols[this.at++]!)];
    return (row) => {
      const [a, b] = [left(row), right(row)];
      // What was not logged is neither.
      return a !== null && b !== null && compare(a, b);
    };
  }

  private number(text: string): (row: SampleRow) => number | null {
    const value = Number(text.replace(/^-?\./, (start) => start.replace(".", "0.")));
    if (!Number.isNaN(value)) return () => value;
    const [, kind, name] = /^(?:(b|change)\.)?(.*)$/i.exec(text)!;
    const wanted = ALIASES[name!.toLowerCase()] ?? name!;
    const key = [metricKey(wanted), wanted].find((one) => this.names.includes(one));
    if (!key) {
      const known = this.names.map((one) => one.replace(/^metric:/, "")).join(", ");
      throw new Error(`No number is called “${name}”; there are ${known}, p.`);
    }
    if (kind === "change") return (row) => differenceOf(row, key)?.by ?? null;
    if (kind === "b") return ({ other }) => other && numberOf(other, key);
    return ({ record }) => numberOf(record, key);
  }
}
