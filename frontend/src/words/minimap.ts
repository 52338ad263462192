// A long answer at one look: each word as strong as it is tinted, those that the model would not have said
// marked, and which of them are in view. A click goes there.
import { type PropertyValues, css, html } from "lit";
import type { Explanation } from "../data/explanation";
import type { Peaks } from "../pixels/range";
import { stepText } from "../view/text";
import { PanelElement, controls, prepareCanvas, unattributed } from "../view/base";
import { doubtfulUnits } from "./doubtful";
import { tintOf } from "./evidence";
import { type Unit, answerUnits, tokensOf, unitAt } from "./units";

const HEIGHT = 18;
/** Of the row of marks below the strengths. */
const MARKS = 3;

export class Minimap extends PanelElement {
  static override properties = {
    explanation: unattributed,
    selected: unattributed,
    unit: unattributed,
    held: unattributed,
    seen: { state: true },
  };
  declare explanation: Explanation;
  /** The first selected answer token. */
  declare selected: number;
  declare unit: Unit;
  /** What the tint is held to. */
  declare held: Peaks;
  /** The first and the last answer token in view. */
  seen: readonly [number, number] | null = null;

  private strengths: number[] = [];
  private doubtful = new Set<number>();

  static override styles = [
    controls,
    css`
      :host {
        display: block;
        height: ${HEIGHT}px;
      }
      canvas {
        display: block;
        cursor: pointer;
        touch-action: pan-y;
      }
    `,
  ];

  override firstUpdated(): void {
    this.watchSize();
    this.text.addEventListener("scroll", () => this.look());
  }

  /** What it is the map of stands above it. */
  private get text(): HTMLElement {
    return this.previousElementSibling as HTMLElement;
  }

  /** Runs from the right, as the answer does. */
  private get backwards(): boolean {
    return !!this.text.querySelector(".answer-start:dir(rtl)");
  }

  private look(): void {
    const words = inView(this.text, this.text.querySelectorAll<HTMLElement>(".answer"));
    const seen = [words[0], words.at(-1)].map((word) => Number(word?.dataset.tokenIndex)) as [number, number];
    if (String(seen) !== String(this.seen)) this.seen = words.length ? seen : null;
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (!["explanation", "unit", "held"].some((name) => changed.has(name as keyof Minimap))) return;
    const { explanation, unit, held } = this;
    this.strengths = answerUnits(explanation, unit).map((group) => tintOf(explanation, tokensOf(group), held));
    this.doubtful = new Set(doubtfulUnits(explanation, unit, false).map(({ first }) => first));
  }

  override render() {
    const count = stepText(this.strengths.length);
    return html`<canvas
      role="img"
      aria-label="How strong each of the answer’s ${count} ${this.unit} is; ${stepText(this.doubtful.size)} of them doubtful"
      title="The whole answer: click or drag to go there"
      @pointerdown=${this.press}
      @pointermove=${(event: PointerEvent) => event.buttons & 1 && this.go(event)}
    ></canvas>`;
  }

  override updated(): void {
    const { width } = this.size;
    if (!width) return;
    // The text is drawn anew at the end of this task.
    setTimeout(() => this.isConnected && this.look());
    const context = prepareCanvas(this.canvas, width, HEIGHT);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${HEIGHT}px`;
    const style = getComputedStyle(this);
    const color = (name: string) => style.getPropertyValue(name);
    const units = answerUnits(this.explanation, this.unit);
    const each = width / units.length;
    if (this.backwards) context.transform(-1, 0, 0, 1, width, 0);
    context.fillStyle = color("--hover");
    context.fillRect(0, 0, width, HEIGHT - MARKS - 1);
    context.fillStyle = `rgb(${color("--grounding")})`;
    this.strengths.forEach((strength, i) => {
      const height = strength * (HEIGHT - MARKS - 1);
      context.fillRect(i * each, HEIGHT - MARKS - 1 - height, Math.max(1, each), height);
    });
    context.fillStyle = color("--warning");
    units.forEach(({ first }, i) => this.doubtful.has(first) && context.fillRect(i * each, HEIGHT - MARKS, Math.max(0.5, each), MARKS));
    if (this.seen) {
      const [from, to] = this.seen.map((token) => unitAt(this.explanation, this.unit, token));
      context.strokeStyle = color("--muted");
      context.strokeRect(from! * each + 0.5, 0.5, Math.max(3, (to! + 1 - from!) * each - 1), HEIGHT - 1);
    }
    context.fillStyle = color("--accent");
    context.fillRect((unitAt(this.explanation, this.unit, this.selected) + 0.5) * each - 1, 0, 2, HEIGHT);
  }

  private get canvas(): HTMLCanvasElement {
    return this.renderRoot.querySelector("canvas")!;
  }

  private press(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    this.go(event);
  }

  private go({ offsetX }: PointerEvent): void {
    const units = answerUnits(this.explanation, this.unit);
    const share = offsetX / this.size.width;
    const at = Math.floor((this.backwards ? 1 - share : share) * units.length);
    const { first } = units[Math.max(0, Math.min(units.length - 1, at))]!;
    if (first !== this.selected) this.ask("token-select", first);
  }
}
customElements.define("mmx-minimap", Minimap);

/** Those of its parts that can be seen, in their order. */
function inView(box: HTMLElement, parts: Iterable<HTMLElement>): HTMLElement[] {
  const { top, bottom } = box.getBoundingClientRect();
  return [...parts].filter((part) => {
    const own = part.getBoundingClientRect();
    return own.bottom > top && own.top < bottom;
  });
}
