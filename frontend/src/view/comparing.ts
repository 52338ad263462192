// What the model needs of comparing alone: it comes with the first B.
export { withDifferenceMatrix } from "../matrix/difference_matrix";
export { comparedWith, mostChanged } from "../words/changes";
