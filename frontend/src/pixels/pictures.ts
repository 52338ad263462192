// Of a sample's images and videos: how much is read from each, and how they play.
import type { Explanation } from "../data/explanation";
import type { Picture } from "./seen";

/** Per view, how much of the tokens' activation falls on it: their mean; null where unknown. */
export function sharesOf({ views }: Explanation, tokens: number[]): (number | null)[] {
  return views.map(({ share }) => {
    const known = tokens.flatMap((token) => share?.[token] ?? []);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  });
}

/** What is left for the words. */
export function textShare(shares: (number | null)[]): number | null {
  let rest = 1;
  for (const share of shares) {
    if (share === null) return null;
    rest -= share;
  }
  return Math.max(0, rest);
}

export function percentText(share: number | null): string {
  return share === null ? "–" : `${Math.round(100 * share)} %`;
}

/** The frame after the one in view, after the last the first; null where the video is not there. */
export function nextFrame(pictures: Picture[], video: number, view: number): number | null {
  const frames = pictures.find(({ index, video: moves }) => moves && index === video)?.views ?? [];
  return frames[(frames.indexOf(view) + 1) % frames.length] ?? null;
}
