// The documentation's table is the panel's: every number that can be asked about is explained there.
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { MATRIX_MODES } from "../src/data/explanation";
import { metricTerm } from "../src/view/text";
import { GLOSSARY } from "../src/words/glossary";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const METRICS = ["obj_iou", "func_iou", "f1_iou", "precision", "recall", "pixel_auc", "pixel_ap", "best_iou", "pointing", "nss"];
const OF_SAMPLES = ["image_gain", "same_word_share", "masked_words", "hallucination_auroc", "hallucination_auroc_of_peak"];
const COLUMNS = ["grounding", "lowest_grounding", "lowest_probability", "agreement"];

it("explains every term that an element bears", () => {
  const sources = readdirSync(here("../src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const text = sources.map((name) => readFileSync(here(`../src/${name}`), "utf8")).join("\n");
  const borne = [...text.matchAll(/(?:data-term=|\bterm: )"(\w+)"/g)].map((match) => match[1]!);
  const chosen = [...text.matchAll(/data-term=\$\{[^}]*\?[^}]*\}/g)].flatMap((match) => [...match[0].matchAll(/"(\w+)"/g)].map((name) => name[1]!));
  expect(borne.length).toBeGreaterThan(8);
  expect(chosen.length).toBeGreaterThan(4);
  for (const term of [...borne, ...chosen]) expect([...GLOSSARY.keys()]).toContain(term);
});

it("explains the matrix's tables, the columns of samples and the library's metrics", () => {
  for (const term of [...MATRIX_MODES, ...COLUMNS, ...METRICS, ...OF_SAMPLES.map(metricTerm)]) expect([...GLOSSARY.keys()]).toContain(term);
});

it("has one row per term, each with a sentence and what is good", () => {
  const rows = readFileSync(here("../../docs/glossary.md"), "utf8").split("\n").filter((line) => /^\| (?!name|-)/.test(line));
  expect(GLOSSARY.size).toBe(rows.length);
  for (const { name, says, good } of GLOSSARY.values()) {
    expect(says, name).toMatch(/\.$/);
    expect(says.length, name).toBeLessThan(240);
    expect(good, name).toMatch(/\.$/);
  }
});

it("says of no likeness that it is a cause", () => {
  for (const { says, good } of GLOSSARY.values()) expect(says + good).not.toMatch(/\b(?:relevant|leaned|because)\b/i);
});
