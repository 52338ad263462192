// The parts of the panel that are loaded when they are asked for.
import type { Part } from "./parts";

/** What the first view does without. */
export const PARTS = {
  candidates: ["the predictions", () => import("../words/behind")],
  compare: ["the comparison", () => import("../pixels/compare_stage")],
  export: ["the export", () => import("./export_dialog")],
  film: ["the view over steps", () => import("../pixels/filmstrip")],
  grid: ["the view over runs", () => import("../grid/run_grid")],
  guide: ["the look around", () => import("../words/guide")],
  start: ["how to log", () => import("./how_to_log")],
  help: ["the keyboard shortcuts", () => import("./help")],
  images: ["the strip of images", () => import("../pixels/image_strip")],
  list: ["the list", () => import("./picker_list")],
  outline: ["the outline", () => import("../pixels/outline_layer")],
  readers: ["the words from pixels", () => import("../words/readers")],
  sentence: ["the sentence of the selected word", () => import("../words/behind")],
  table: ["the table of samples", () => import("../samples/sample_table")],
  talk: ["the talk view", () => import("../talk/talk_view")],
  thought: ["the way through the thought", () => import("../words/thought_chain")],
  terms: ["what the numbers say", () => import("../words/term_tip")],
} satisfies Record<string, Part>;
