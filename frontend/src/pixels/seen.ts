// Which of a sample's images, or of its videos' frames, is seen, and what it is called.
import type { Explanation, View } from "../data/explanation";

/** The views of one image (a single one) or of one video, as indices. */
export interface Picture {
  index: number;
  video: boolean;
  views: number[];
}

export function picturesOf({ views }: Pick<Explanation, "views">): Picture[] {
  const pictures: Picture[] = [];
  views.forEach(({ picture, seconds }, i) => {
    const known = pictures.find(({ index }) => index === picture);
    if (known) known.views.push(i);
    else pictures.push({ index: picture, video: seconds.length > 0, views: [i] });
  });
  return pictures;
}

/** "image 2"; of a video, when its frames are shown: "1–1.5 s". */
export function viewName({ seconds, picture }: View): string {
  if (!seconds.length) return `image ${picture + 1}`;
  const [first, last] = [seconds[0]!, seconds.at(-1)!].map((second) => String(+second.toFixed(2)));
  return first === last ? `${first} s` : `${first}–${last} s`;
}

/** Which of the images an explanation is seen at, in full; empty where there is but one. */
export function seenName(explanation: Explanation): string {
  const { views } = explanation;
  const view = views.find(({ layers }) => layers === explanation.layers);
  if (!view || views.length < 2) return "";
  const several = views.some(({ picture }) => picture !== view.picture);
  return (several && view.seconds.length ? `video ${view.picture + 1}, ` : "") + viewName(view);
}
