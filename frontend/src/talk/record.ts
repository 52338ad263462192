// A talk as video, where the browser can: played once, on a canvas that nobody sees.
import type { Size } from "../pixels/geometry";
import { drawTalk } from "./draw_talk";
import { Fade } from "./fade";
import type { Talk } from "./moments";

const SIZE: Size = { width: 1280, height: 720 };
const MOMENT_MS = 1200;
/** The last is looked at for longer. */
const LAST_MS = 2500;
const BITS_PER_SECOND = 8_000_000;
const KINDS = ["video/mp4;codecs=avc1.640028", "video/mp4;codecs=avc1.42E01F", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];
/** A picture that stays is told of again: a recorder writes only what it is told. */
const REFRESH_MS = 100;

/** What this browser records; null where it records nothing. */
export function videoKind(): string | null {
  const able = typeof MediaRecorder !== "undefined" && "captureStream" in HTMLCanvasElement.prototype;
  return (able && KINDS.find((kind) => MediaRecorder.isTypeSupported(kind))) || null;
}

/** `told` hears which moment is recorded; null where `wanted` no longer holds. */
export async function record(talk: Talk, kind: string, told: (moment: number) => void, wanted: () => boolean): Promise<Blob | null> {
  const canvas = Object.assign(document.createElement("canvas"), SIZE);
  const context = canvas.getContext("2d")!;
  const fade = new Fade();
  const show = (moment: number, soft: boolean) => fade.show(context, (drawn) => drawTalk(drawn, SIZE, talk, moment), soft);
  show(0, false);
  const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: kind, videoBitsPerSecond: BITS_PER_SECOND });
  const parts: Blob[] = [];
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  const done = new Promise<void>((resolve, reject) => {
    recorder.addEventListener("stop", () => resolve());
    recorder.addEventListener("error", () => reject(new Error("the browser's recorder failed")));
  });
  // Whoever waits for a moment must not miss that it failed meanwhile.
  done.catch(() => undefined);
  recorder.start();
  for (let moment = 0; moment < talk.moments.length && wanted(); moment++) {
    told(moment);
    show(moment, moment > 0);
    const until = performance.now() + (moment === talk.moments.length - 1 ? LAST_MS : MOMENT_MS);
    while (performance.now() < until && wanted()) {
      await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      context.drawImage(canvas, 0, 0, 1, 1, 0, 0, 1, 1);
    }
  }
  fade.stop();
  if (recorder.state !== "inactive") recorder.stop();
  await done;
  return wanted() ? new Blob(parts, { type: kind.split(";")[0]! }) : null;
}
