import { describe, expect, it } from "vitest";
import { type Explanation, matrixValue } from "../src/data/explanation";
import { type MatrixCells, gatherCells, halved, levelFor, strongestCell, strongestPair } from "../src/matrix/matrix_cells";
import { groupTokens } from "../src/matrix/matrix_groups";
import { groupIndex, groupText, rowText } from "../src/words/units";
import { layoutMatrix } from "../src/matrix/matrix_layout";
import { describeRow, largestValue } from "../src/matrix/matrix_text";
import { explanation } from "./fixture";

const ROOM = { width: 600, height: 400 };
const LABELS = { left: 80, top: 60 };

/** Texts as they are, joined as a tokenizer would: a leading "_" is a space. */
function pieces(prompt: string[], answer: string[]): Explanation {
  const texts = [...prompt, ...answer];
  const sample = explanation(`${prompt.join(" ")} | ${answer.join(" ")}`);
  const context = texts.map((text, id) => ({ id, text: text.replace("_", " "), special: /^<[a-z]/.test(text), turn: 0 }));
  return { ...sample, context };
}

const PIECES = pieces(["_de", "scribe", "_it", "<end>"], ["A", "_str", "iped", "."]);

describe("levels of detail", () => {
  const size = { rows: 37, columns: 51 };
  const blank = (): MatrixCells => ({ ...size, values: new Float32Array(size.rows * size.columns).fill(NaN) });

  it("keep a single hot cell down to the last one, at its place", () => {
    const cells = blank();
    cells.values.fill(0.25, 0, 900);
    const [row, column] = [36, 50];
    cells.values[row * size.columns + column] = 0.9;
    let level = cells;
    for (let halvings = 1; halvings <= 6; halvings++) {
      level = halved(level);
      expect(level.values.length).toBe(level.rows * level.columns);
      expect(level.values[(row >> halvings) * level.columns + (column >> halvings)]).toBeCloseTo(0.9);
    }
    expect([level.rows, level.columns]).toEqual([1, 1]);
  });

  it("have no value only where none of the cells has one", () => {
    const cells = { rows: 2, columns: 4, values: Float32Array.of(NaN, NaN, NaN, 0, NaN, NaN, NaN, -1) };
    expect([...halved(cells).values]).toEqual([NaN, -1]);
  });

  it("are as fine as pixels allow", () => {
    expect([3, 1, 0.99, 0.5, 0.146].map(levelFor)).toEqual([0, 0, 1, 1, 3]);
  });

  it("name the cell whose value is seen", () => {
    const cells = blank();
    cells.values[13 * size.columns + 22] = 0.1;
    cells.values[12 * size.columns + 23] = 0.2;
    expect(strongestCell(cells, 2, 15, 20)).toEqual({ r: 12, c: 23 });
    expect(strongestCell(cells, 0, 15, 20)).toEqual({ r: 15, c: 20 });
    expect(strongestCell(cells, 5, 36, 50)).toEqual({ r: 36, c: 50 });
  });
});

describe("words", () => {
  const columnsOf = (sample: Explanation) =>
    layoutMatrix(sample, false, ROOM, LABELS, "words").columns.map((group) => groupText(sample, group));

  it("are put together from their pieces, without the punctuation after them", () => {
    expect(columnsOf(PIECES)).toEqual(["describe", "it", "A", "striped", "."]);
    const { rows } = layoutMatrix(PIECES, false, ROOM, LABELS, "words");
    expect(rows).toEqual([{ first: 0, end: 1 }, { first: 1, end: 3 }, { first: 3, end: 4 }]);
    expect(rows.map((group) => rowText(PIECES, group))).toEqual(["A", "striped", "."]);
  });

  it("never reach across the template or the end of the prompt", () => {
    expect(columnsOf(pieces(["_a", "<x>", "b"], ["c"]))).toEqual(["a", "b", "c"]);
  });

  it("stay tokens where a tokenizer drops spaces, but where a script has none", () => {
    expect(columnsOf(pieces(["a", "b"], ["c", "d"]))).toEqual(["a", "b", "c", "d"]);
    expect(columnsOf(pieces(["see"], ["红", "色", "dog"]))).toEqual(["see", "红色", "dog"]);
  });

  it("are those that were logged, by the name that was logged", () => {
    const sample = pieces(["see"], ["_colour", "ful", "_", "<0xF0><0x9F>", "<0x90><0x95>"]);
    const words = [["see", 0], [" colourful", 1], [" 🐕", 3]].map(([text, first]) => ({ text, first })) as never;
    expect(columnsOf({ ...sample, words })).toEqual(["see", "colourful", "🐕"]);
  });

  it("put the bytes of a character together where nothing was logged of words", () => {
    expect(columnsOf(pieces(["see"], ["_a", "<0xF0>", "<0x9F>", "<0x90>", "<0x95>", "_dog"]))).toEqual(["see", "a", "🐕", "dog"]);
  });

  it("makes one column of each turn and leaves the rows to tokens", () => {
    const sample = explanation("see it | a dog");
    const { rows, columns } = layoutMatrix(sample, false, ROOM, LABELS, "turns");
    expect(columns.map((group) => groupText(sample, group))).toEqual(["prompt", "answer"]);
    expect(columns.map(({ first, end }) => end - first)).toEqual([2, 2]);
    expect(rows.length).toBe(2);
  });

  it("are found by any of their tokens", () => {
    const groups = groupTokens(PIECES, [0, 1, 2, 4, 5, 6, 7], "words");
    expect([0, 1, 2, 3, 5, 6, null].map((token) => groupIndex(groups, token))).toEqual([0, 0, 1, -1, 3, 3, -1]);
  });

  it("have the largest value of their tokens, and name the pair that it belongs to", () => {
    const layout = layoutMatrix(PIECES, false, ROOM, LABELS, "words");
    const matrix = new Float32Array(3 * 4 * 8).fill(NaN);
    const sample = { ...PIECES, matrix };
    matrix[1 * 8 + 0] = 0.2;
    matrix[2 * 8 + 0] = 0.1;
    matrix[2 * 8 + 1] = 0.7;
    matrix[2 * 8 + 4] = 0;
    const cells = gatherCells(sample, "relevance", layout);
    expect([cells.rows, cells.columns]).toEqual([3, 5]);
    expect([...cells.values.slice(5, 10)].map((value) => +value.toFixed(3))).toEqual([0.7, NaN, 0, NaN, NaN]);
    const pair = strongestPair(sample, "relevance", layout.rows[1]!, layout.columns[0]!);
    expect(pair).toEqual({ row: 2, column: 1 });
    expect(strongestPair(sample, "weight", layout.rows[1]!, layout.columns[0]!)).toEqual({ row: 1, column: 0 });
  });
});

describe("tokens", () => {
  it("have the matrix's values, without the template's rows and columns", () => {
    const sample = explanation("<s> see it | a dog <e>");
    for (const mode of ["relevance", "activation"] as const) {
      const cells = gatherCells(sample, mode, layoutMatrix(sample, false, ROOM, LABELS));
      const wanted = [0, 1].flatMap((row) => [1, 2, 3, 4].map((column) => matrixValue(sample, mode, row, column)));
      expect([...cells.values]).toEqual(wanted);
    }
  });

  it("are described by the context that a row is most alike with", () => {
    const sample = explanation("<s> see it | a dog");
    sample.matrix!.set([9, 0.5, 0.75, NaN, NaN]);
    expect(describeRow(sample, "relevance", 0, "words")).toBe("Alike. Row a: it 0.75, see 0.50");
    sample.matrix!.fill(NaN);
    expect(describeRow(sample, "relevance", 1, "words")).toBe("Alike. Row dog: no context");
    expect([largestValue(sample, "relevance"), largestValue(sample, "weight")]).toEqual([1, 0]);
  });
});

describe("words of several tokens", () => {
  const sample = explanation("see my dal mat ian | a dal mat ian");
  sample.words = [["see", 0], [" my", 1], [" dalmatian", 2], [" a", 5], [" dalmatian", 6]].map(([text, first]) => ({ text: text as string, first: first as number }));
  sample.matrix!.fill(NaN);
  // Rows of 9 columns: the answer's second and third tokens, of the dalmatian.
  sample.matrix!.set([0.1, 0.2, 0.3, 0.4, 0.5], 9);
  sample.matrix!.set([0.6, 0.2, 0.3, 0.9, 0.5], 18);

  it("are described whole, whichever of their tokens is selected", () => {
    const spoken = "Alike. Row dalmatian: dalmatian 0.90, see 0.60, my 0.20";
    expect([1, 2, 3].map((token) => describeRow(sample, "relevance", token, "words"))).toEqual([spoken, spoken, spoken]);
  });

  it("are described by their tokens where tokens are read", () => {
    expect(describeRow(sample, "relevance", 1, "tokens")).toBe("Alike. Row dal: ian 0.50, mat 0.40, dal 0.30");
  });
});

describe("a conversation of several turns", () => {
  it("is grouped turn by turn, each named by its role", () => {
    const plain = explanation("see this it | a dog");
    const turns = ["user", "assistant", "user", "assistant"];
    const context = plain.context.map((token, j) => ({ ...token, turn: [0, 1, 2, 3, 3][j]! }));
    const groups = groupTokens({ ...plain, context, turns }, [0, 1, 2, 3, 4], "turns");
    expect(groups.map(({ name }) => name)).toEqual(["user 1", "assistant 2", "user 3", "answer"]);
    expect(groupTokens(plain, [0, 1, 2, 3, 4], "turns").map(({ name }) => name)).toEqual(["prompt", "answer"]);
  });
});
