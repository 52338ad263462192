// What is needed once there is a B: which of its words stand for A's, and what changed of them.
export { withDifferenceMatrix } from "../matrix/difference_matrix";
export { differenceOf } from "../pixels/difference_picture";
export { alignAnswers, counterpart } from "./alignment";
export { changeOf, isNotable, mostChanged, wordChangeText } from "./changes";
export { versus, versusStyle } from "./versus";
