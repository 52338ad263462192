// What the maps of an explanation measure, and how that is called: a lens's, or what is lost without.
import { type Explanation, MATRIX_MODES, type MatrixMode } from "./explanation";

interface Method {
  unit: string;
  /** The map of all that was read: as a picture's label and its card have it. */
  whole: string;
  /** What the answer's tint says where no gain was measured. */
  tint: string;
  /** Of the matrix, those that have values. */
  modes: readonly MatrixMode[];
}

const LENS: Method = { unit: "logit", whole: "all scales", tint: "strength in the picture", modes: MATRIX_MODES };
/** The unit of what is measured by hiding parts. */
export const LOST = "nats lost";
const OCCLUSION: Method = { unit: LOST, whole: "occlusion", tint: "lost without a part", modes: ["relevance"] };

export function methodOf({ occlusion }: Pick<Explanation, "occlusion">): Method {
  return occlusion ? OCCLUSION : LENS;
}
