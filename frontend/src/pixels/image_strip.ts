// The sample's images, or a video's frames: which of them the selected tokens read from. One range
// for all, so that the brightest is the one.
import { css, html, nothing, svg } from "lit";
import { alternativeOf } from "../words/alternative";
import { pictureInView } from "./alternative_picture";
import { drawMap, drawPicture } from "./draw_map";
import { type Explanation, seenAt } from "../data/explanation";
import { type ImageState, NO_IMAGE } from "../data/images";
import { nextFrame, percentText, sharesOf, textShare } from "./pictures";
import { type Picture, picturesOf, viewName } from "./seen";
import { type Side, sideOf } from "./stage_picture";
import type { Peaks } from "./range";
import { imageRect } from "./zoom";
import type { ViewState } from "../view/state";
import { selectedTokens } from "../view/selection";
import { PanelElement, controls, playIcon, prepareCanvas, unattributed } from "../view/base";

const THUMBNAIL = { width: 92, height: 58 };
const CARD_WIDTH = THUMBNAIL.width + 6;
const GAP = 6;
const CURVE_HEIGHT = 11;
const FRAME_MS = 600;

export class ImageStrip extends PanelElement {
  static override properties = {
    explanation: unattributed,
    images: unattributed,
    peer: unattributed,
    held: unattributed,
    view: unattributed,
    dark: { type: Boolean },
    playing: { state: true },
  };
  /** Seen at none of its images in particular. */
  declare explanation: Explanation;
  declare images: ImageState[];
  /** B, whose values the range covers where both are compared. */
  declare peer: Side | null;
  /** What its colours are held to. */
  declare held: Peaks;
  declare view: ViewState;
  /** Redraws on a change. */
  declare dark: boolean;
  /** Which of the sample's videos. */
  playing: number | null = null;

  /** Where playing has got to: who goes elsewhere, by a key or a link, is not to be taken along. */
  private reached = "";
  /** What was last scrolled to. */
  private revealed = "";

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 10px;
        min-width: 0;
        font-size: 11px;
        color: var(--muted);
        white-space: nowrap;
      }
      .strip {
        position: relative;
        display: flex;
        gap: 18px;
        overflow-x: auto;
        padding: 3px;
        margin: -3px;
      }
      .strip:not(.film) {
        gap: ${GAP}px;
      }
      .picture,
      .frames {
        position: relative;
        display: flex;
        gap: ${GAP}px;
      }
      .play {
        position: sticky;
        z-index: 1;
        left: -3px;
        display: grid;
        align-content: center;
        justify-items: center;
        gap: 4px;
        padding-right: 4px;
        background: var(--background);
      }
      .play button {
        width: 30px;
        padding: 0;
      }
      .card {
        flex: none;
        display: grid;
        gap: 2px;
        width: ${CARD_WIDTH}px;
        height: auto;
        padding: 2px 2px 1px;
        border-radius: 7px;
        color: inherit;
        text-align: left;
      }
      .card[aria-pressed="true"] {
        border-color: var(--accent);
        box-shadow: 0 0 0 1px var(--accent);
        color: var(--text);
      }
      canvas {
        width: ${THUMBNAIL.width}px;
        height: ${THUMBNAIL.height}px;
        border-radius: 4px;
      }
      .film .card {
        padding-bottom: ${CURVE_HEIGHT + 3}px;
      }
      .texts {
        display: flex;
        justify-content: space-between;
        padding: 0 2px;
      }
      svg.curve {
        position: absolute;
        left: 0;
        bottom: 5px;
        pointer-events: none;
        overflow: visible;
      }
      polyline {
        fill: none;
        stroke: var(--accent);
        stroke-width: 2;
        stroke-linejoin: round;
      }
      circle {
        fill: var(--accent);
      }
    `,
  ];

  override render() {
    const pictures = picturesOf(this.explanation);
    const shares = sharesOf(this.explanation, selectedTokens(this.view, this.explanation));
    const most = Math.max(...shares.map((share) => share ?? 0), 1e-6);
    const film = pictures.some(({ video }) => video);
    // The shares are the selected token's, not those of a word shown in its place.
    const alternative = alternativeOf(this.explanation, this.view) !== null;
    const known = alternative ? shares.map(() => null) : shares;
    return html`
      <div class="strip ${film ? "film" : ""}" role="group" aria-label="Images of the sample">
        ${pictures.map(({ index, video, views }) => {
          const cards = views.map((i) => this.card(i, known[i]!));
          return video
            ? html`<div class="picture" role="group" aria-label="Video ${index + 1}">
                ${this.control(index, pictures.length > 1)}
                <div class="frames">${cards}${alternative ? nothing : this.curve(views, shares.map((share) => (share ?? 0) / most))}</div>
              </div>`
            : cards;
        })}
      </div>
      <span class="number" title="What the selected token read from words">text<br />${percentText(textShare(known))}</span>
    `;
  }

  private card(i: number, share: number | null) {
    const selected = i === this.view.image;
    return html`<button
      class="card"
      aria-pressed=${selected}
      tabindex=${selected ? 0 : -1}
      title="${percentText(share)} of what the selected token read is here (, and . move)"
      data-image-index=${i}
      @click=${() => this.choose(i)}
    >
      <canvas aria-hidden="true"></canvas>
      <span class="texts number"><span>${viewName(this.explanation.views[i]!)}</span> <strong>${percentText(share)}</strong></span>
    </button>`;
  }

  /** Who wants no motion moves from frame to frame. */
  private control(video: number, named: boolean) {
    const plays = this.playing === video;
    const does = plays ? "Pause" : calm() ? "Next frame" : "Play the video";
    return html`<div class="play">
      <button aria-label=${does} title=${does} @click=${() => (calm() ? this.advance(video) : this.play(plays ? null : video))}>${playIcon(plays)}</button>
      ${named ? html`<span>video ${video + 1}</span>` : nothing}
    </div>`;
  }

  /** Shares along a video's frames, the one in view marked. */
  private curve(frames: Picture["views"], shares: number[]) {
    const point = (k: number) => [k * (CARD_WIDTH + GAP) + CARD_WIDTH / 2, CURVE_HEIGHT * (1 - shares[frames[k]!]!)] as const;
    const [now, points] = [frames.indexOf(this.view.image), frames.map((_, k) => point(k))];
    return svg`<svg class="curve" width="1" height=${CURVE_HEIGHT} aria-hidden="true">
      <polyline points=${points.join(" ")}></polyline>
      ${now < 0 ? nothing : svg`<circle cx=${points[now]![0]} cy=${points[now]![1]} r="3.5"></circle>`}
    </svg>`;
  }

  override willUpdate(): void {
    if (this.playing !== null && this.spot() !== this.reached) this.play(null);
  }

  override updated(): void {
    const { explanation, view } = this;
    const pictures = explanation.views.map((_, i) => pictureInView(sideOf(seenAt(explanation, i), this.images[i] ?? NO_IMAGE, view, this.held), view, this.peer));
    const high = Math.max(...pictures.map(({ range }) => range.high));
    const hatch = getComputedStyle(this).getPropertyValue("--hatch");
    const cards = this.renderRoot.querySelectorAll<HTMLElement>(".card");
    pictures.forEach(({ image, size, map }, i) => {
      const context = prepareCanvas(cards[i]!.querySelector("canvas")!, THUMBNAIL.width, THUMBNAIL.height);
      const rect = imageRect(THUMBNAIL, size);
      if (image.bitmap) drawPicture(context, image.bitmap, rect, view.grey);
      const { colors, opacity, smooth } = view;
      if (map) drawMap(context, map, rect, { range: { low: 0, high }, colors, opacity, smooth, hatch });
    });
    const card = cards[view.image];
    if (!card || this.revealed === this.spot()) return;
    this.revealed = this.spot();
    this.reveal(card);
  }

  /** Within the strip alone: scrollIntoView would move the page as well. */
  private reveal(card: HTMLElement): void {
    const strip = this.renderRoot.querySelector(".strip")!;
    const [home, box] = [strip.getBoundingClientRect(), card.getBoundingClientRect()];
    // A video's play control stays over the cards that are scrolled past it.
    const covered = card.closest(".picture")?.querySelector(".play")?.clientWidth ?? 0;
    strip.scrollLeft += Math.max(0, box.right - home.right + 4) - Math.max(0, home.left - box.left + covered + 4);
    if (this.shadowRoot!.activeElement?.classList.contains("card")) card.focus({ preventScroll: true });
  }

  private choose(image: number): void {
    this.play(null);
    this.ask("view-change", { image });
  }

  private spot(image = this.view.image): string {
    return this.view.tag + image;
  }

  private play(video: number | null): void {
    this.playing = video;
    this.reached = this.spot();
    if (video === null) this.repeat(0);
    // A hidden tab stops: nobody sees where the video has got to.
    else this.repeat(FRAME_MS, (shown) => (shown ? this.advance(video) : this.play(null)));
  }

  private advance(video: number): void {
    const image = nextFrame(picturesOf(this.explanation), video, this.view.image);
    if (image === null) this.play(null);
    else {
      this.reached = this.spot(image);
      this.ask("view-change", { image });
    }
  }
}
customElements.define("mmx-image-strip", ImageStrip);

function calm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
