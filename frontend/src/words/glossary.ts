// What the panel's numbers say: the documentation's own table.
import text from "../../../docs/glossary.md?raw";

export interface Term {
  name: string;
  says: string;
  good: string;
}

const ROW = /^\| ([^|]+) \| `(\w+)` \| ([^|]+) \| ([^|]+) \|$/gm;

export const GLOSSARY: ReadonlyMap<string, Term> = new Map(
  Array.from(text.matchAll(ROW), ([, name, term, says, good]) => [term!, { name: name!, says: says!, good: good! }]),
);
