// The look of the matrix and of what stands around it.
import { css } from "lit";

export const matrixStyle = css`
  :host {
    display: flex;
    flex-direction: column;
    min-height: 0;
    min-width: 0;
  }
  header {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px 7px;
    margin-bottom: 6px;
    font-size: 12px;
  }
  label {
    display: flex;
    gap: 6px;
    align-items: center;
    color: var(--muted);
    white-space: nowrap;
    cursor: pointer;
  }
  /* A line of its own, with the zoom at its end. */
  .sentence {
    flex: 1 1 calc(100% - 100px);
    min-width: 0;
    margin: 0;
    overflow: hidden;
    color: var(--muted);
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .modes button {
    padding: 0 6px;
  }
  .warning {
    color: var(--warning);
  }
  header select {
    height: 26px;
    font-size: 12px;
  }
  .room {
    position: relative;
    flex: 1;
    min-height: 0;
  }
  .scrolled {
    overflow: auto;
  }
  canvas {
    position: absolute;
    inset: 0;
    border-radius: 6px;
    cursor: pointer;
    touch-action: pan-y;
  }
  .zoomed {
    cursor: grab;
    touch-action: none;
  }
  .zoomed:active {
    cursor: grabbing;
  }
  .marks {
    pointer-events: none;
  }
  .corner {
    position: absolute;
    width: 76px;
    height: 66px;
    display: flex;
    flex-direction: column;
    gap: 8px;
    justify-content: flex-end;
  }
  .zoom {
    display: flex;
    gap: 2px;
  }
  .zoom button {
    height: 22px;
    min-width: 22px;
    padding: 0 5px;
    border-radius: 6px;
  }
  .damage,
  .note {
    padding: 10px 12px;
    border-radius: 8px;
    background: var(--warning-soft);
    color: var(--warning);
  }
`;
