// How one number differs between A and B over all samples: the means with their interval, how many got
// worse, and a histogram of the differences, of which a part can be chosen by dragging.
import { css, html, nothing, svg } from "lit";
import { type Bin, type Kept, type Summary, verdictOf } from "./comparison";
import { PanelElement, controls, unattributed } from "../view/base";

const WIDTH = 180;
const HEIGHT = 30;

export class DifferenceBar extends PanelElement {
  static override properties = {
    summary: unattributed,
    name: { attribute: false },
    bins: unattributed,
    kept: unattributed,
    format: unattributed,
    dragged: { state: true },
  };
  declare summary: Summary;
  /** The number's. */
  declare name: string;
  declare bins: readonly Bin[];
  declare kept: Kept;
  declare format: (value: number) => string;
  /** First and last bin while a part is being chosen. */
  dragged: [number, number] | null = null;

  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 14px;
        padding: 0 16px 8px;
      }
      p {
        margin: 0;
      }
      .worse {
        color: var(--warning);
      }
      .better {
        color: var(--better);
      }
      label {
        display: flex;
        align-items: center;
        gap: 6px;
        white-space: nowrap;
        cursor: pointer;
      }
      svg {
        display: block;
        cursor: crosshair;
        touch-action: none;
      }
      rect {
        fill: var(--track);
      }
      rect.worse {
        fill: var(--warning);
      }
      rect.better {
        fill: var(--better);
      }
      rect.out {
        opacity: 0.25;
      }
      line {
        stroke: var(--muted);
      }
      .histogram {
        display: flex;
        align-items: center;
        gap: 8px;
        margin-left: auto;
      }
      .histogram button {
        height: 24px;
      }
    `,
  ];

  override render() {
    const { summary, format, kept } = this;
    const { a, b, by, margin, direction, count } = summary;
    const kind = kindOf(by * direction);
    return html`
      <p class="number" role="status">
        <strong>${this.name}</strong> B ${format(b)} → A ${format(a)}
        <strong class=${kind}>${signed(by, format)}</strong>${margin === null ? nothing : html` <span class="muted" title="95 % interval of the mean difference, over ${count} pairs of samples">± ${format(margin)}</span>`}:
        ${verdictOf(summary)}
      </p>
      <label title=${direction ? "Samples at which A is worse than B" : "Which way is good is not known of this number"}
        ><input
          type="checkbox"
          .checked=${kept.worse}
          ?disabled=${!direction}
          @change=${(event: Event) => this.keepWorse((event.target as HTMLInputElement).checked)}
        />worse only</label
      >
      <span class="histogram">
        ${this.histogram()}
        ${kept.between ? html`<button title="All differences" @click=${() => this.keep({ between: null })}>${signed(kept.between[0], format)} to ${signed(kept.between[1], format)} ✕</button>` : nothing}
      </span>
    `;
  }

  private histogram() {
    const { bins, summary } = this;
    const most = Math.max(...bins.map(({ count }) => count), 1);
    const width = WIDTH / bins.length;
    const between = this.between;
    return html`<svg
      width=${WIDTH}
      height=${HEIGHT}
      tabindex="0"
      role="slider"
      aria-label="Differences of ${this.name}, A less B: drag to keep a part; with the arrows, those below a value"
      aria-valuemin=${bins[0]!.low}
      aria-valuemax=${bins.at(-1)!.high}
      aria-valuenow=${between?.[1] ?? bins.at(-1)!.high}
      @pointerdown=${this.press}
      @pointermove=${this.move}
      @pointerup=${this.release}
      @keydown=${this.key}
    >
      <title>Differences, A less B: drag to keep a part</title>
      <line x1=${WIDTH / 2} x2=${WIDTH / 2} y1="0" y2=${HEIGHT} />
      ${bins.map(({ low, high, count }, i) => {
        const height = count && Math.max(2, (HEIGHT * count) / most);
        const out = between && (high <= between[0] || low >= between[1]) ? "out" : "";
        return svg`<rect class="${kindOf((low + high) * summary.direction)} ${out}" x=${i * width + 0.5} width=${width - 1} y=${HEIGHT - height} height=${height}></rect>`;
      })}
    </svg>`;
  }

  private get between(): readonly [number, number] | null {
    const { dragged, bins } = this;
    return dragged ? [bins[Math.min(...dragged)]!.low, bins[Math.max(...dragged)]!.high] : this.kept.between;
  }

  private binAt(event: PointerEvent): number {
    return Math.max(0, Math.min(this.bins.length - 1, Math.floor((event.offsetX / WIDTH) * this.bins.length)));
  }

  private press(event: PointerEvent): void {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.dragged = [this.binAt(event), this.binAt(event)];
  }

  private move(event: PointerEvent): void {
    if (this.dragged) this.dragged = [this.dragged[0], this.binAt(event)];
  }

  private release(): void {
    const { between } = this;
    this.dragged = null;
    this.keep({ between });
  }

  private key(event: KeyboardEvent): void {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (!by) return this.keep({ between: null });
    const { bins } = this;
    const end = this.kept.between?.[1] ?? bins.at(-1)!.high;
    const last = bins.findIndex(({ high }) => high >= end) + by;
    const bin = bins[Math.max(0, last)]!;
    this.keep({ between: last >= bins.length - 1 ? null : [bins[0]!.low, bin.high] });
  }

  /** The worst first: that is what one looks for. */
  private keepWorse(worse: boolean): void {
    this.keep({ worse });
    if (worse) this.ask("table-change", { sort: { key: this.summary.key, descending: false } });
  }

  private keep(change: Partial<Kept>): void {
    this.ask("table-change", { kept: { ...this.kept, ...change } });
  }
}
customElements.define("mmx-difference-bar", DifferenceBar);

/** Of a difference that is good above zero. */
export function kindOf(gain: number): string {
  return gain < 0 ? "worse" : gain > 0 ? "better" : "";
}

export function signed(value: number, format: (value: number) => string): string {
  return `${value > 0 ? "+" : ""}${format(value)}`;
}
