// Which way is good, of the numbers whose meaning is known; of any other it is not for us to say.
export type Direction = 1 | -1 | 0;

// That it is measured gives no direction: what the picture adds (image_gain) is high of a misread object, too, and
// low of an answer that needs no picture; and a share of the lens (grounding) says nothing of how much it is of.

const HIGHER = [
  "agreement", "lowest_probability", "same_word_share",
  "obj_iou", "func_iou", "f1_iou", "best_iou", "precision", "recall", "pixel_auc", "pixel_ap", "pointing", "nss", "insertion",
  "accuracy", "exact_match", "f1", "bleu", "rouge", "rouge_l", "cider", "spice", "meteor", "vqa_accuracy", "anls",
];
const LOWER = ["deletion", "loss", "perplexity", "nll", "wer", "cer", "ece", "hallucination", "chair_i", "chair_s"];

/** 1 where more is better, -1 where less is, 0 where neither is known. */
export function directionOf(key: string): Direction {
  const name = key.replace(/^metric:/, "").toLowerCase();
  return HIGHER.includes(name) ? 1 : LOWER.includes(name) ? -1 : 0;
}
