// What the first view draws behind its first heatmap, as one part.
import "./candidates";
import "./sentence_line";

export { USE_NAMES, useOf } from "./used";
