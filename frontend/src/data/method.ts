// What the maps of an explanation measure, and how that is called: a lens's, or what is lost without.
import { type Explanation, MATRIX_MODES, type MatrixMode } from "./explanation";

interface Method {
  unit: string;
  /** The map of all that was read: as a picture's label, and on its card. */
  whole: string;
  card: string;
  /** What the answer's tint says. */
  tint: string;
  /** Of the matrix, those that have values. */
  modes: readonly MatrixMode[];
}

const LENS: Method = { unit: "logit", whole: "all scales", card: "Σ MSEA", tint: "read from the image", modes: MATRIX_MODES };
const OCCLUSION: Method = { unit: "nats lost", whole: "occlusion", card: "occlusion", tint: "lost without a part", modes: ["relevance"] };

export function methodOf({ occlusion }: Pick<Explanation, "occlusion">): Method {
  return occlusion ? OCCLUSION : LENS;
}
