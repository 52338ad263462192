import type { Explanation, Layer } from "../src/data/explanation";

export function layer(factor: number | null, values: number[][], cols = values[0]!.length): Layer {
  return {
    factor,
    rows: values[0]!.length / cols,
    cols,
    values: Float32Array.from(values.flat()),
    maxima: Float32Array.from(values, (map) => Math.max(...map)),
    agreement: null,
    damage: null,
  };
}

/** Words in order; those before the bar are the prompt: "see this | a dog". */
export function explanation(text: string, layers: Layer[] = []): Explanation {
  const [prompt, answer] = text.split("|").map((part) => part.trim().split(" ").filter(Boolean));
  const words = [...prompt!, ...answer!];
  const cells = answer!.length * words.length;
  const shown = layers.length ? layers : [layer(1, answer!.map(() => [0, 1])), layer(null, answer!.map(() => [0, 1]))];
  return {
    run: "r",
    tag: "mmx/val/0",
    step: 0,
    id: "0",
    prompt: prompt!.join(" "),
    answer: answer!.join(" "),
    promptLength: prompt!.length,
    context: words.map((word, id) => ({ id, text: ` ${word}`, special: word.startsWith("<"), turn: 0 })),
    views: [{ image: null, layers: shown, alternative: null, share: null, picture: 0, seconds: [] }],
    image: null,
    layers: shown,
    alternative: null,
    turns: [],
    alternatives: [],
    words: null,
    grounding: answer!.map(() => 0.5),
    candidates: words.map(() => []),
    metrics: {},
    loggedAt: null,
    matrix: Float32Array.from({ length: 3 * cells }, (_, i) => i),
    matrixDamage: null,
    bytes: 0,
  };
}
