// How numbers and tokens are written.

/** In characters. Longer ones are of no word: whole lines of rules, or a log that means harm. */
const LONGEST_TOKEN = 120;

/** A token as it is read; what is cut off a long one is counted. */
export function tokenText(whole: string): string {
  const text = whole.slice(0, LONGEST_TOKEN);
  if (text !== whole) return `${tokenText(text)}… (${stepText(whole.length)} characters)`;
  const shown = text.replace(/\n/g, "↵").replace(/\t/g, "⇥").trim();
  return shown || (text ? "␣" : "∅");
}

/** Other tokens continue the word before them (unless a tokenizer drops spaces altogether). */
export function startsWord(text: string): boolean {
  return /^[\s▁Ġ]/.test(text);
}

export function probabilityText(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value > 0 && value < 0.0005) return "<0.001";
  return value.toFixed(value >= 0.01 ? 2 : 3);
}

export function valueText(value: number): string {
  if (Number.isNaN(value)) return "no value";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** "+8.4": what the picture adds, in nats. */
export function natsText(nats: number): string {
  const text = Math.abs(nats).toFixed(1);
  return `${Number(text) === 0 ? "±" : nats < 0 ? "−" : "+"}${text}`;
}

/** A sample as its user calls it: characters that a tag cannot have are percent-encoded in it. */
export function sampleName(tag: string): string {
  return tag.replace(/^mmx\//, "").replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** Where something was looked for: "val/0003, step 200," or "This sample". */
export function placeText({ tag, step }: { tag: string; step: number | null }): string {
  const name = sampleName(tag);
  if (!name) return "This sample";
  return step === null ? name : `${name}, step ${stepText(step)},`;
}

/** The glossary's: a sample's mean is another thing than a word's. */
export function metricTerm(name: string): string {
  return name === "image_gain" ? "metric_image_gain" : name;
}

export function stepText(step: number): string {
  return step.toLocaleString("en-US");
}

export function factorText(factor: number | null): string {
  return factor === null ? "Σ" : `${+factor.toFixed(2)}×`;
}

/** Text whose order puts 2 before 10, and .001 before .01. A locale's collation takes far longer over many. */
export function naturalText(text: string): string {
  return text.toLowerCase().replace(/\d*\.?\d+e[+-]?\d+(?!\w)|\d*\.\d+(?![\d.])|\d+/g, (digits) => {
    const [whole, rest = ""] = (digits.includes("e") ? Number(digits).toFixed(12) : digits).split(".");
    return `${whole!.padStart(12, "0")}.${rest.padEnd(12, "0")}`;
  });
}

const LONGEST_NAME = 26;
/** What the parts of a run's name begin with. */
const PART = /[/_,;\s]/g;

/** What names begin and end with tells them apart; where the one beside it begins and ends alike, the part in
 * which they differ. */
export function shortened(name: string, beside = ""): string {
  if (name.length <= LONGEST_NAME) return name;
  const half = (LONGEST_NAME - 1) / 2;
  const ends = (text: string) => `${text.slice(0, Math.ceil(half))}…${text.slice(-Math.floor(half))}`;
  if (name === beside || ends(name) !== ends(beside)) return ends(name);
  let differs = 0;
  while (differs < name.length && name[differs] === beside[differs]) differs++;
  const parts = Array.from(name.slice(0, differs).matchAll(PART), ({ index }) => index + 1);
  const start = Math.max(parts.at(-1) ?? 0, differs - half);
  const shown = name.slice(start, start + LONGEST_NAME - 2);
  return `…${shown}${start + shown.length < name.length ? "…" : ""}`;
}
