// What the panel has to show, or why it has nothing.
export type Status =
  | { kind: "loading" }
  | { kind: "ready" }
  | { kind: "empty" }
  | { kind: "gone"; message: string }
  | { kind: "damaged"; message: string };
