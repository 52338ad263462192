// Over the picture: what the selected words name, as its mask was given.
import { css, html, svg } from "lit";
import type { ObjectMask } from "../data/explanation";
import { PanelElement, unattributed } from "../view/base";
import type { Rect, Size } from "./geometry";
import { EDGE, nameAt, pathOf } from "./outline";

const FONT_PX = 13;
/** Of a letter, on average: no name is so long that it matters. */
const LETTER = 0.58;

export class OutlineLayer extends PanelElement {
  static override properties = { objects: unattributed, rect: unattributed, room: unattributed };
  declare objects: ObjectMask[];
  /** Where the picture lies in the room. */
  declare rect: Rect;
  declare room: Size;

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

  override render() {
    const { objects, rect, room } = this;
    const names = objects.map(({ name }) => name).filter(Boolean).join(", ");
    return html`<svg role="img" aria-label="Outline of ${names || "the object"}">
      ${objects.map((mask) => {
        const path = pathOf(mask, rect);
        const at = nameAt(mask, rect, { x: 4, y: 4, width: room.width - 8, height: room.height - 8 }, mask.name.length * LETTER * FONT_PX, FONT_PX);
        return svg`${EDGE.map(([color, wide]) => svg`<path d=${path} stroke=${color} stroke-width=${1.8 * wide}></path>`)}
          <text x=${at.x} y=${at.y}>${mask.name}</text>`;
      })}
    </svg>`;
  }
}
customElements.define("mmx-outline", OutlineLayer);
