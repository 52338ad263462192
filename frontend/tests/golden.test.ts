// The wire format, held from this end: what Python wrote must decode to what Python says it is.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DamagedError, NewerVersionError, decodeJson, openBlob } from "../src/data/blob";
import { decodeBlobsResponse, decodeStep } from "../src/data/blobs_response";
import { crc32 } from "../src/data/crc32";
import { type Explanation, seenAt } from "../src/data/explanation";

interface GoldenArray {
  name: string;
  scale?: number;
  image?: number;
  values: (number | null)[];
}
interface GoldenStep {
  step: number;
  error?: string;
  header: Record<string, never> & {
    prompt: string;
    answer: string;
    prompt_length: number;
    tokens: { text: string[]; special: number[] };
    grounding: (number | null)[];
    scales: { factor: number; grids: number[][]; rank: number[] }[];
    candidates: [number, number][][];
    vocabulary: Record<string, string>;
  };
  arrays: GoldenArray[];
}

/** What the first writer wrote, before there were several images, and what is written now. */
const FIRST = read("explanation");
const CURRENT = read("several");
const { framed } = FIRST;

function read(name: string): { framed: Uint8Array<ArrayBuffer>; golden: { steps: GoldenStep[] } } {
  const bytes = (suffix: string) => readFileSync(new URL(`golden/${name}.${suffix}`, import.meta.url));
  return { framed: Uint8Array.from(bytes("bin")), golden: JSON.parse(bytes("json").toString()) as { steps: GoldenStep[] } };
}

async function decoded(bytes: Uint8Array<ArrayBuffer> = framed) {
  return decodeBlobsResponse(bytes.buffer, "run", "mmx/val/0007");
}

/** A JSON blob, stored as it is (wire_format.md). */
function json(value: object): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(value));
  const blob = new Uint8Array(16 + text.length);
  blob.set([...new TextEncoder().encode("MMXB"), 1, 3, 0, 0]);
  blob.set(text, 16);
  const fields = new DataView(blob.buffer);
  fields.setUint32(12, text.length, true);
  fields.setUint32(8, crc32(blob), true);
  return blob;
}

/** The first step's blobs, cut out of the frame. */
function blobs(): Uint8Array<ArrayBuffer>[] {
  const length = new DataView(framed.buffer).getUint32(0, true);
  const frame = JSON.parse(new TextDecoder().decode(framed.subarray(4, 4 + length))) as { blobs?: number[] }[];
  let offset = 4 + length;
  return frame[0]!.blobs!.map((size) => framed.slice(offset, (offset += size)));
}

function expectSame(found: Float32Array | null, values: (number | null)[]): void {
  expect(found).not.toBeNull();
  expect([...found!].map((value) => (Number.isNaN(value) ? null : value))).toEqual(
    values.map((value) => (value === null ? null : expect.closeTo(value, 5))),
  );
}

describe("the golden file", () => {
  it.each([FIRST, CURRENT])("decodes to the header that Python wrote", async ({ framed, golden }) => {
    const results = await decoded(framed);
    for (const [i, expected] of golden.steps.entries()) {
      const result = results[i]!;
      expect(result.step).toBe(expected.step);
      if (expected.error) {
        expect(result).toEqual({ step: expected.step, damage: expected.error });
        continue;
      }
      const { header } = expected;
      const explanation = (result as { explanation: Explanation }).explanation;
      expect(explanation.prompt).toBe(header.prompt);
      expect(explanation.answer).toBe(header.answer);
      expect(explanation.promptLength).toBe(header.prompt_length);
      expect(explanation.context.map((token) => token.text)).toEqual(header.tokens.text);
      expect(explanation.context.map((token) => Number(token.special))).toEqual(header.tokens.special);
      expect(explanation.grounding).toEqual(header.grounding);
      header.scales.forEach((scale, s) => {
        expect(explanation.layers[s]).toMatchObject({
          factor: scale.factor,
          rows: scale.grids[0]![0],
          cols: scale.grids[0]![1],
          agreement: { rank: scale.rank },
          damage: null,
        });
      });
      expect(explanation.candidates.map((list) => list.map(({ id, text }) => [id, text]))).toEqual(
        header.candidates.map((list) => list.map(([id]) => [id, header.vocabulary[String(id)]])),
      );
    }
  });

  it.each([FIRST, CURRENT])("decodes to the same raw values, NaN included", async ({ framed, golden }) => {
    const results = await decoded(framed);
    for (const [i, { error, arrays }] of golden.steps.entries()) {
      if (error) continue;
      const { views, matrix, influence, estimate, alternativesInfluence } = (results[i] as { explanation: Explanation }).explanation;
      for (const array of arrays) {
        const view = views[array.image ?? 0]!;
        const plain: Record<string, Float32Array | null | undefined> = {
          matrix,
          influence,
          estimate,
          alternatives_influence: alternativesInfluence,
          used: view.used?.values,
        };
        if (array.name in plain) expectSame(plain[array.name]!, array.values);
        else if (array.name === "alternatives") expectSame(view.alternative!.values, array.values);
        else expectSame((array.name === "maps" ? view.layers[array.scale!]! : view.layers.at(-1)!).values, array.values);
      }
    }
  });

  it("tells images, a video's times, turns and words beside the answer", async () => {
    const results = await decoded(CURRENT.framed);
    const explanation = (results[1] as { explanation: Explanation }).explanation;
    const header = CURRENT.golden.steps[1]!.header as unknown as Record<string, never[]>;
    expect(explanation.views.map(({ picture }) => picture)).toEqual([0, 1, 1]);
    expect(explanation.views.map(({ seconds }) => seconds)).toEqual([[], [0, 0.5], [1]]);
    expect(explanation.views[2]!.image).toBeNull();
    expect(explanation.views.map(({ share }) => share)).toEqual(header.image_grounding);
    expect(explanation.turns).toEqual(header.turns);
    expect(explanation.context.map(({ turn }) => turn)).toEqual((header.tokens as unknown as { turn: number[] }).turn);
    expect(explanation.alternatives.map(({ context }) => context)).toEqual([4, 1]);
    expect(explanation.words).toEqual([0, 1, 3, 4].map((first, g) => ({ first, text: ["<|im_start|>", " red 🐕", " is", " left of"][g] })));
    expect(explanation.objects).toEqual(header.objects);
    expect(explanation.objects).toHaveLength(2);
    const second = seenAt(explanation, 1);
    expect(second.layers).toBe(explanation.views[1]!.layers);
    expect(seenAt(explanation, 1)).toBe(second);
    expect(seenAt(explanation, 0)).toBe(explanation);
    const first = (results[0] as { explanation: Explanation }).explanation;
    expect(seenAt(first, 5)).toBe(first);
  });

  it("of an old log has one image, one turn and nothing beside the answer", async () => {
    const [first] = await decoded();
    const { views, turns, alternatives, context, words, objects } = (first as { explanation: Explanation }).explanation;
    expect([views.length, turns, alternatives, words, objects]).toEqual([1, [], [], null, []]);
    expect(new Set(context.map(({ turn }) => turn))).toEqual(new Set([0]));
  });

  it("never decodes with a byte flipped", async () => {
    for (const blob of blobs().slice(0, 2)) {
      for (let at = 0; at < blob.length; at += 3) {
        const flipped = blob.slice();
        flipped[at]! ^= 0x41;
        await expect(openBlob(flipped), `byte ${at}`).rejects.toThrow(DamagedError);
      }
    }
  });

  it("never decodes cut short", async () => {
    const blob = blobs()[1]!;
    for (let length = 0; length < blob.length; length += 2) {
      await expect(openBlob(blob.slice(0, length)), `${length} bytes`).rejects.toThrow(DamagedError);
    }
  });

  it("names the damaged layer and still shows the others", async () => {
    const bytes = framed.slice();
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const [header, maps] = blobs();
    bytes[4 + length + header!.length + maps!.length - 1]! ^= 1;
    const [first] = await decoded(bytes);
    const { layers, matrixDamage } = (first as { explanation: Explanation }).explanation;
    expect(layers[0]!.damage).toBe("checksum mismatch");
    expect(layers.slice(1).map((layer) => layer.damage)).toEqual([null, null]);
    expect(matrixDamage).toBeNull();
  });

  it("is refused where its header says that it was logged elsewhere", async () => {
    const header = (await decodeJson(blobs()[0]!)) as object;
    const at = (logged: object) => decodeStep([json({ ...header, logged }), ...blobs().slice(1)], "run", "mmx/val/0007", 3);
    expect(await at({ tag: "mmx/val/0007", step: 3 })).toHaveProperty("explanation.step", 3);
    expect(await at({ tag: "mmx/val/0007", step: 2 })).toEqual({ step: 3, damage: "logged as mmx/val/0007, step 2" });
    expect(await at({ tag: "mmx/val/0008", step: 3 })).toHaveProperty("damage", "logged as mmx/val/0008, step 3");
  });

  it("tells a newer version from damage", async () => {
    const blob = blobs()[0]!;
    blob[4] = 2;
    await expect(openBlob(blob)).rejects.toThrow(NewerVersionError);
  });
});

it("computes zlib's CRC-32", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});
