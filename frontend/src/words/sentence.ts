// What was logged of the selected words, put into a sentence: each clause a figure, with the term that
// the glossary explains it by.
import type { Explanation } from "../data/explanation";
import { methodOf } from "../data/method";
import { spanMap } from "../pixels/heatmap";
import { picturesOf } from "../pixels/seen";
import type { Peaks } from "../pixels/range";
import type { ViewState } from "../view/state";
import { natsText, probabilityText, tokenText, valueText } from "../view/text";
import { HELPS, NEEDS, isLittle, strengthOf } from "./evidence";
import { LIKELY, agreeing, gainOf, gainsOf, insteadOf, ownAgreement, probabilityOf } from "./figures";
import { influencesOn, nameOf, strongest, without } from "./influence";
import { unitsText } from "./units";
import { type Use, useOf } from "./used";
import { type Pointing, hasMoved, pointing } from "./where";

export interface Clause {
  text: string;
  /** Of the glossary; empty for what needs no explaining. */
  term: string;
}

/** The selected words of one explanation, and what its colours are held to. */
export interface Said {
  explanation: Explanation;
  tokens: number[];
  held: Peaks;
}

type Shown = Pick<ViewState, "combine" | "unit">;

const SURE = 0.9;
const UNLIKELY = 0.1;
/** What is said of a change. */
const CHANGED_PROBABILITY = 0.1;
const CHANGED_GAIN = 1;
const CHANGED_EXTENT = 1.25;

export function clausesOf(said: Said, view: Shown): Clause[] {
  const [agree, scales] = agreeing(said.explanation, said.tokens);
  return [
    ...chance(said),
    ...need(said),
    ...place(said, view),
    ...use(said),
    ...context(said),
    ...(scales > 1 ? [{ text: `${agree} of ${scales} scales agree`, term: "agreement" }] : []),
  ];
}

/** "the same word, surer (0.62 → 1.00), more concentrated": how the second differs from the first. */
export function changeText(one: Said, other: Said, view: Shown): string {
  if (!other.tokens.length) return "has no such word";
  const [was, is] = [one, other].map((said) => choiceOf(said, view));
  const [stood, stands] = [one, other].map(({ explanation, tokens }) => unitsText(explanation, tokens, view.unit));
  const parts = [stood === stands ? "" : `“${stands}” stands here`, was === is ? "the same word" : `would say “${is}”, not “${was}”`];
  const [before, after] = [one, other].map(({ explanation, tokens }) => chanceOf(explanation, tokens));
  if (Math.abs(after! - before!) >= CHANGED_PROBABILITY) {
    parts.push(`${after! > before! ? "likelier" : "less likely"} (${probabilityText(before)} → ${probabilityText(after)})`);
  }
  const [gained, gains] = [one, other].map(({ explanation, tokens }) => gainOf(explanation, tokens) ?? NaN);
  if (Math.abs(gains! - gained!) >= CHANGED_GAIN) {
    parts.push(`the picture adds ${gains! > gained! ? "more" : "less"} (${natsText(gained!)} → ${natsText(gains!)})`);
  }
  const [first, second] = [one, other].map((said) => pointingOf(said, view));
  if (first && second) {
    const ratio = first.extent / second.extent;
    if (ratio >= CHANGED_EXTENT) parts.push("more concentrated");
    if (ratio <= 1 / CHANGED_EXTENT) parts.push("more spread");
    if (hasMoved(first, second)) parts.push(`elsewhere (${first.text} before)`);
  }
  return parts.filter(Boolean).join(", ");
}

function chanceOf(explanation: Explanation, tokens: number[]): number {
  const agreement = ownAgreement(explanation);
  return (agreement && probabilityOf(agreement, tokens)) ?? NaN;
}

function chance({ explanation, tokens }: Said): Clause[] {
  const value = chanceOf(explanation, tokens);
  if (Number.isNaN(value)) return [];
  const [instead, shown] = [insteadOf(explanation, tokens), probabilityText(value)];
  const text = instead
    ? `the model would say “${tokenText(instead.text)}” (${probabilityText(instead.probability)}), not this (${shown})`
    : value >= SURE
      ? `the model is sure (${shown})`
      : value >= LIKELY
        ? `the model would say it (${shown})`
        : `the model would say it, but is unsure (${shown})`;
  return [{ text, term: "probability" }];
}

function need({ explanation, tokens }: Said): Clause[] {
  const gain = gainOf(explanation, tokens);
  if (gain === null) return [];
  const nats = `(${natsText(gain)} nats)`;
  const unlikely = chanceOf(explanation, tokens) < UNLIKELY;
  const text =
    gain >= NEEDS
      ? unlikely ? `the picture makes it likelier ${nats}, yet it stays unlikely` : `it needs the picture ${nats}${most(explanation, tokens)}`
      : gain >= HELPS
        ? `the picture helps a little ${nats}`
        : gain > -HELPS
          ? `with other pictures it is as likely ${nats}`
          : `the picture speaks against it ${nats}`;
  return [{ text, term: "image_gain" }];
}

/** Which of several pictures it is, when each is exchanged alone. */
function most(explanation: Explanation, tokens: number[]): string {
  const gains = gainsOf(explanation, tokens).map((gain) => gain ?? 0);
  const largest = Math.max(...gains);
  if (gains.length < 2 || largest < HELPS) return "";
  const at = gains.indexOf(largest);
  const picture = picturesOf(explanation)[at];
  return `, most of all ${picture?.video ? "video" : "image"} ${at + 1} (${natsText(largest)})`;
}

/** A lens shows what a place would say, and not what the word rests on. */
function place(said: Said, view: Shown): Clause[] {
  const { explanation, tokens, held } = said;
  const whole = explanation.layers.at(-1)!;
  if (!whole.values) return [];
  const { occlusion } = explanation;
  const points = pointingOf(said, view);
  if (points) return [{ text: occlusion ? `${points.text} cost it most` : `${points.text} would say it`, term: "place" }];
  const of = `(${valueText(strengthOf(explanation, tokens))} of ${valueText(held.whole)} ${methodOf(explanation).unit})`;
  return [{ text: `no place ${occlusion ? "costs it much" : "would say it clearly"} ${of}`, term: "place" }];
}

/** Whether it used the places that would say it. */
function use({ explanation, tokens, held }: Said): Clause[] {
  const found = useOf(explanation, tokens, held);
  return found ? [{ text: useText(found), term: found.differs ? "disagrees" : "used" }] : [];
}

/** What the sentence says of it. */
function useText({ kind, most, place, seen }: Use): string {
  const lost = (nats: number) => `${nats.toFixed(1)} nats`;
  switch (kind) {
    case "same":
      return `hidden, they cost it ${lost(seen)}`;
    case "unused":
      return `it is seen there and does not depend on it: hidden, that costs ${lost(seen)}`;
    case "unseen":
      return `it depends on ${place} that would not say it: hidden, they cost ${lost(most)}`;
    case "elsewhere":
      return `it is seen there, yet depends on other ${place}: hidden, these cost ${lost(most)}, those ${lost(seen)}`;
    case "together":
      return `no part of the picture alone costs it more than ${lost(most)}`;
    case "none":
      return `no part of the picture costs it more than ${lost(most)}`;
  }
}

function context({ explanation, tokens }: Said): Clause[] {
  const most = strongest(influencesOn(explanation, tokens));
  if (!most) return [];
  if (Math.abs(most.nats) < HELPS) return [{ text: "no one word of the context changes it much", term: "influence" }];
  const shown = probabilityText(without(chanceOf(explanation, tokens), most));
  return [{ text: `without “${nameOf(most)}”: ${shown}`, term: "influence" }];
}

/** Null where there is next to nothing to point with. */
function pointingOf({ explanation, tokens, held }: Said, { combine }: Shown): Pointing | null {
  const map = isLittle(explanation, tokens, held) ? null : spanMap(explanation.layers.at(-1)!, tokens, combine);
  return map && pointing(map);
}

/** What the model itself would say there. */
function choiceOf({ explanation, tokens }: Said, { unit }: Shown): string {
  const instead = insteadOf(explanation, tokens);
  return instead ? tokenText(instead.text) : unitsText(explanation, tokens, unit);
}
