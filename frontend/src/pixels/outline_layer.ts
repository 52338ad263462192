// Over the picture: what the selected words name, as its mask was given.
import { type PropertyValues, css, html, svg } from "lit";
import type { ObjectMask } from "../data/explanation";
import { PanelElement, unattributed } from "../view/base";
import type { Rect, Size } from "./geometry";
import type { Heatmap } from "./heatmap";
import { objectIou } from "./object_iou";
import { EDGE, nameAt, pathOf } from "./outline";

const FONT_PX = 13;
/** Of a letter, on average: no name is so long that it matters. */
const LETTER = 0.58;

export class OutlineLayer extends PanelElement {
  static override properties = { objects: unattributed, rect: unattributed, room: unattributed, map: unattributed };
  declare objects: ObjectMask[];
  /** Where the picture lies in the room. */
  declare rect: Rect;
  declare room: Size;
  /** What lies on the picture; null where nothing can be said of how well it covers them. */
  declare map: Heatmap | null;

  private texts: string[] = [];

  static override styles = css`
    svg {
      position: absolute;
      inset: 0;
      width: 100%;
      height: 100%;
      pointer-events: none;
    }
    path {
      fill: none;
      stroke-linejoin: round;
    }
    text {
      font: 600 ${FONT_PX}px system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
      fill: #fff;
      paint-order: stroke;
      stroke: rgb(0 0 0 / 0.75);
      stroke-width: 4px;
      stroke-linejoin: round;
      text-anchor: middle;
    }
  `;

  override willUpdate(changed: PropertyValues): void {
    if (changed.has("objects") || changed.has("map")) this.texts = this.objects.map((mask) => this.textOf(mask));
  }

  /** "red square · IoU 0.61" */
  private textOf(mask: ObjectMask): string {
    const covered = this.map && objectIou(this.map, mask);
    return [mask.name, covered === null ? "" : `IoU ${covered.toFixed(2)}`].filter(Boolean).join(" · ");
  }

  override render() {
    const { objects, rect, room, texts } = this;
    const names = texts.filter(Boolean).join(", ");
    return html`<svg role="img" aria-label="Outline of ${names || "the object"}">
      ${objects.map((mask, i) => {
        const text = texts[i]!;
        const path = pathOf(mask, rect);
        const at = nameAt(mask, rect, { x: 4, y: 4, width: room.width - 8, height: room.height - 8 }, text.length * LETTER * FONT_PX, FONT_PX);
        return svg`${EDGE.map(([color, wide]) => svg`<path d=${path} stroke=${color} stroke-width=${1.8 * wide}></path>`)}
          <text x=${at.x} y=${at.y}>${text}</text>`;
      })}
    </svg>`;
  }
}
customElements.define("mmx-outline", OutlineLayer);
