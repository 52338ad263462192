// Whatever Python's decoder refuses, this one refuses, and the other way round.
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it, vi } from "vitest";
import type { Explanation } from "../src/data/explanation";
import { StrictDecompression, read, readCases } from "./cases";

vi.stubGlobal("DecompressionStream", StrictDecompression);

const rules = readCases(Uint8Array.from(gunzipSync(readFileSync(new URL("golden/rules.bin.gz", import.meta.url)))));

describe("the rules of tests/hostile/rules.json", () => {
  it.each(rules.cases)("$name", async ({ blobs, accepted }) => {
    expect((await read(blobs, rules.tag, rules.step)) !== null).toBe(accepted);
  });
});

// Set by tests/hostile/test_both_decoders.py, which compares the answers.
const { MMX_CASES } = process.env;

it.skipIf(!MMX_CASES)("answers Python's cases", async () => {
  const { cases, tag, step } = readCases(Uint8Array.from(readFileSync(MMX_CASES!)));
  const answers: unknown[] = [];
  for (const { name, blobs } of cases) {
    const found = await read(blobs, tag, step).catch((error: unknown) => Promise.reject(new Error(name, { cause: error })));
    answers.push(found && plain(found));
  }
  writeFileSync(`${MMX_CASES}.json`, JSON.stringify(answers));
}, 300_000);

function plain({ views, matrix, context, candidates, alternatives, ...rest }: Explanation): object {
  const { id, prompt, answer, grounding, imageGain, imageGains, metrics, turns, words } = rest;
  const { objects, contextWords, influence, alternativesInfluence, estimate } = rest;
  const word = (one: { id: number; text: string; probability: number } | null) => one && [one.id, one.text, one.probability];
  return {
    texts: [id, prompt, answer],
    grounding,
    gain: imageGain,
    gains: imageGains,
    metrics,
    turns,
    words: (words ?? []).map(({ first, text }) => [first, text]),
    tokens: context.map(({ id, text, special, turn }) => [id, text, special, turn]),
    candidates: candidates.map((leading) => leading.map(word)),
    alternatives: alternatives.map(({ context: place, candidate, imageGain }) => [place, word(candidate), imageGain]),
    influence: [contextWords!.map(({ first, count, text, how }) => [first, count, text, how]), influence && numbers(influence)],
    objects: objects!.map(({ name, tokens, height, width, runs }) => [name, tokens, height, width, runs]),
    reasons: alternativesInfluence && numbers(alternativesInfluence),
    estimate: estimate && numbers(estimate),
    used: views.map(({ used }) => (used ? numbers(used.values!) : null)),
    scales: views[0]!.layers.flatMap(({ factor, agreement }) =>
      agreement ? [[factor, agreement.probability, agreement.rank, agreement.top.map(word)]] : [],
    ),
    images: views.map(({ picture, seconds, share }) => [picture, seconds, share]),
    maps: views.map(({ layers, alternative }) => [...layers, ...(alternative ? [alternative] : [])].map(({ values }) => numbers(values!))),
    matrix: numbers(matrix!),
  };
}

/** Base64 of the floats, all NaN alike. */
function numbers(values: Float32Array): string {
  return Buffer.from(values.map((value) => (Number.isNaN(value) ? NaN : value)).buffer).toString("base64");
}
