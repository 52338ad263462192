// A scene as a picture: on a canvas, or as SVG whose texts stay texts.
import type { Mark, Scene, Style } from "./scene";

/** Arial is what programs that know no system font take. */
const FAMILY = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

export function measure(text: string, style: Style): number {
  const context = new OffscreenCanvas(1, 1).getContext("2d")!;
  context.font = font(style);
  return context.measureText(text).width;
}

export function paint({ size, background, marks }: Scene, ratio: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(Math.round(size.width * ratio), Math.round(size.height * ratio));
  const context = canvas.getContext("2d")!;
  context.scale(ratio, ratio);
  context.fillStyle = background;
  context.fillRect(0, 0, size.width, size.height);
  for (const mark of marks) put(context, mark);
  return canvas;
}

function put(context: OffscreenCanvasRenderingContext2D, mark: Mark): void {
  if (mark.kind === "text") {
    context.font = font(mark.style);
    context.fillStyle = mark.style.ink;
    context.fillText(mark.text, mark.x, mark.y);
    return;
  }
  const { x, y, width, height } = mark.rect;
  if (mark.kind === "raster") return context.drawImage(mark.canvas, x, y, width, height);
  if (mark.kind === "gradient") {
    const gradient = context.createLinearGradient(x, 0, x + width, 0);
    mark.colors.forEach((color, i) => gradient.addColorStop(i / (mark.colors.length - 1), color));
    context.fillStyle = gradient;
    return context.fillRect(x, y, width, height);
  }
  context.fillStyle = mark.fill;
  context.beginPath();
  context.roundRect(x, y, width, height, mark.radius);
  context.fill();
}

export async function svgOf({ size, background, marks }: Scene): Promise<string> {
  const { width, height } = size;
  const parts = await Promise.all(marks.map(element));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FAMILY}">
<rect width="${width}" height="${height}" fill="${background}"/>
${parts.join("\n")}
</svg>
`;
}

async function element(mark: Mark, index: number): Promise<string> {
  if (mark.kind === "text") {
    const { size, weight, ink } = mark.style;
    // As wide as here, whatever font is found there.
    const length = mark.width ? ` textLength="${short(mark.width)}" lengthAdjust="spacingAndGlyphs"` : "";
    return `<text x="${short(mark.x)}" y="${short(mark.y)}" font-size="${size}" font-weight="${weight}" fill="${ink}"${length}>${escaped(mark.text)}</text>`;
  }
  const { rect } = mark;
  const place = `x="${short(rect.x)}" y="${short(rect.y)}" width="${short(rect.width)}" height="${short(rect.height)}"`;
  if (mark.kind === "raster") return `<image ${place} preserveAspectRatio="none" href="${await dataUrl(mark.canvas)}"/>`;
  if (mark.kind === "box") return `<rect ${place} rx="${mark.radius}" fill="${mark.fill}"/>`;
  const stops = mark.colors.map((color, i) => `<stop offset="${short(i / (mark.colors.length - 1))}" stop-color="${color}"/>`);
  return `<linearGradient id="g${index}">${stops.join("")}</linearGradient><rect ${place} fill="url(#g${index})"/>`;
}

async function dataUrl(canvas: OffscreenCanvas): Promise<string> {
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  let text = "";
  // As arguments, of which there may not be too many at once.
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return `data:image/png;base64,${btoa(text)}`;
}

/** Texts come from logs: what XML cannot hold is replaced. */
export function escaped(text: string): string {
  const held = text.replace(/[^\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
  return held.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function short(value: number): string {
  return String(+value.toFixed(2));
}

function font({ size, weight }: Style): string {
  return `${weight} ${size}px ${FAMILY}`;
}
