// What the panel has to show, or why it has nothing.
export type Status =
  | { kind: "loading" }
  | { kind: "ready" }
  | { kind: "empty" }
  | { kind: "gone"; message: string }
  | { kind: "damaged"; message: string };

export const LOST =
  "It was logged, but TensorBoard gave its tag to a scalar of the same name; “mmx list” and read_explanations still read it.";
