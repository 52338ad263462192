// The stage as a picture of its own: image, heatmap, legend and caption.
import { drawMap, drawPicture } from "./draw_map";
import type { PanelModel } from "../view/model";
import type { StagePicture } from "./stage_picture";
import type { ViewState } from "../view/state";
import { sampleName, valueText } from "../view/text";

const WIDTH = 960;
const MARGIN = 24;
const LEGEND = { width: 220, height: 14 };
const FONT = 'system-ui, "Segoe UI", Roboto, sans-serif';

/** What the picture shows: where A was logged, what B is, and A's answer. */
export function figureLines(
  { view, explanation, otherPlace: b }: Pick<PanelModel, "view" | "explanation" | "otherPlace">,
  difference: boolean,
): string[] {
  const a = `${view.run} · ${sampleName(view.tag)} · step ${view.step}`;
  const compared = b ? [`A: ${a}`, `B: ${b.run} · step ${b.step}${difference ? "" : " (this picture shows A)"}`] : [a];
  return [...compared, explanation?.answer ?? ""];
}

/** `lines` stand below the heatmap's own caption. */
export function drawFigure(
  picture: StagePicture,
  view: ViewState,
  lines: string[],
  color: (position: number) => string,
  dark: boolean,
): OffscreenCanvas {
  const room = WIDTH - 2 * MARGIN;
  const height = Math.round((room * picture.size.height) / picture.size.width);
  const canvas = new OffscreenCanvas(WIDTH, height + 3 * MARGIN + 92 + 20 * lines.length);
  // The drawing functions use what both kinds of context share.
  const context = canvas.getContext("2d") as unknown as CanvasRenderingContext2D;
  const [background, text, muted] = dark ? ["#1e1f22", "#e6e8ea", "#a3a9b1"] : ["#ffffff", "#1f2328", "#5c636b"];
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const rect = { x: MARGIN, y: MARGIN, width: room, height };
  if (picture.image.bitmap) drawPicture(context, picture.image.bitmap, rect, view.grey || picture.range.low < 0);
  if (picture.map) {
    const hatch = dark ? "rgb(255 255 255 / 0.4)" : "rgb(0 0 0 / 0.35)";
    drawMap(context, picture.map, rect, { ...view, range: picture.range, colors: picture.colors, hatch });
  }
  let y = MARGIN + height + 34;
  const write = (words: string, style: string, ink: string, x = MARGIN) => {
    context.font = `${style} ${FONT}`;
    context.fillStyle = ink;
    context.fillText(words, x, y, WIDTH - MARGIN - x);
  };
  write(picture.caption, "600 20px", text);
  y += 34;
  for (let i = 0; i < LEGEND.width; i++) {
    context.fillStyle = color(i / (LEGEND.width - 1));
    context.fillRect(MARGIN + i, y - 12, 1.5, LEGEND.height);
  }
  const { unit, range: { low, high } } = picture;
  const ends = low < 0 ? `${valueText(low)} (more in B) to +${valueText(high)} ${unit} (more in A)` : `${valueText(low)} to ${valueText(high)} ${unit}`;
  write(ends, "15px", muted, MARGIN + LEGEND.width + 12);
  for (const line of lines) {
    y += 24;
    write(line, "15px", muted);
  }
  return canvas;
}
