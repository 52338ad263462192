// The panel's layout, from a side panel's width to a wide screen's.
import { css } from "lit";

export const panelStyle = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100vh;
    overflow: auto;
    background: var(--background);
    color: var(--text);
    font: 13px/1.4 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  }
  .progress {
    position: relative;
    z-index: 5;
    height: 2px;
    margin-bottom: -2px;
    overflow: hidden;
    opacity: 0;
    transition: opacity 0.15s 0.12s;
  }
  .busy .progress {
    opacity: 1;
  }
  .progress::after {
    content: "";
    display: block;
    width: 30%;
    height: 100%;
    background: var(--accent);
    animation: slide 1.1s ease-in-out infinite;
  }
  @keyframes slide {
    from {
      transform: translateX(-100%);
    }
    to {
      transform: translateX(400%);
    }
  }
  .page {
    flex: 1;
    display: flex;
    flex-direction: column;
    min-height: 0;
  }
  mmx-answer-strip {
    padding: 12px 16px 10px;
  }
  .pointed {
    outline: 2px solid var(--accent);
    outline-offset: -2px;
    border-radius: 10px;
  }
  .halves {
    flex: 1;
    display: grid;
    grid-template-columns: minmax(0, 1.12fr) minmax(0, 1fr);
    gap: 0;
    min-height: min(470px, 88vh);
  }
  .seen {
    display: grid;
    grid-template: minmax(0, 1fr) auto auto / minmax(0, 1fr);
    gap: 8px;
    min-height: 0;
    padding: 0 16px 12px;
  }
  .several {
    grid-template-rows: auto minmax(0, 1fr) auto auto;
  }
  mmx-image-strip {
    grid-column: 1 / -1;
  }
  mmx-scale-scrubber,
  .alternative {
    grid-row: -2 / -1;
    grid-column: 1;
  }
  /* It keeps its room, so that the image stays where it is. */
  .void {
    visibility: hidden;
  }
  .alternative {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    align-content: center;
    gap: 6px 12px;
    padding: 8px 16px;
    border: 1px solid var(--line);
    background: var(--chrome);
    border-radius: 10px;
  }
  .alternative strong {
    flex-basis: 100%;
    color: var(--warning);
  }
  .alternative span {
    flex: 1 1 120px;
    color: var(--muted);
  }
  .read {
    display: grid;
    grid-template-rows: auto minmax(0, 1fr) auto;
    gap: 8px;
    min-height: 0;
    min-width: 0;
    padding: 0 16px 12px;
    border-left: 1px solid var(--line);
  }
  .tabs {
    justify-self: start;
    font-size: 12px;
  }
  mmx-sample-table {
    flex: none;
    height: min(300px, 38vh);
    padding-top: 8px;
    border-bottom: 1px solid var(--line);
  }
  .news {
    position: absolute;
    z-index: 6;
    right: 16px;
    bottom: 12px;
    padding: 4px 12px;
    border-radius: 12px;
    background: var(--accent-soft);
    color: var(--text);
    font-size: 12px;
  }
  mmx-readers,
  mmx-candidates {
    padding-top: 12px;
    border-top: 1px solid var(--line);
  }
  mmx-notice,
  mmx-how-to-log {
    flex: 1;
    min-height: 0;
  }
  .coming {
    min-height: 40px;
  }
  /* As high as what comes, so that the matrix is laid out once. */
  .read > .coming:last-child {
    min-height: 190px;
  }
  .seen > .note,
  .read > .note {
    align-self: start;
    margin: 0;
  }
  .note {
    display: flex;
    align-items: center;
    gap: 12px;
    margin: 10px 16px 0;
    padding: 7px 12px;
    border-radius: 8px;
    background: var(--warning-soft);
    color: var(--warning);
  }
  @media (max-width: 980px) {
    :host {
      height: auto;
      min-height: 100vh;
    }
    .halves {
      grid-template-columns: minmax(0, 1fr);
    }
    .seen {
      grid-template: minmax(0, 1fr) auto / minmax(0, 1fr) 204px;
      /* No higher than its pictures fill. */
      height: clamp(300px, calc((100vw - 244px) * var(--tall) + 100px), max(330px, calc(100vh - 150px)));
    }
    .several {
      grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr) 204px;
      height: max(390px, calc(100vh - 150px));
    }
    mmx-scale-scrubber,
    .alternative {
      grid-row: -3 / -1;
      grid-column: 2;
    }
    .read {
      height: 640px;
      border-left: 0;
      border-top: 1px solid var(--line);
      padding-top: 12px;
    }
  }
  @media (max-width: 620px) {
    .seen {
      grid-template: min(340px, calc((100vw - 32px) * var(--tall) + 70px)) auto auto / minmax(0, 1fr);
      height: auto;
    }
    .several {
      grid-template: auto 340px auto auto / minmax(0, 1fr);
      height: auto;
    }
    mmx-scale-scrubber,
    .alternative {
      grid-row: -2 / -1;
      grid-column: 1;
    }
  }
  /* Zoomed in to twice the size, say: the picture beside the words, or it would be below all of them. */
  @media (max-height: 520px) and (min-width: 600px) and (max-width: 980px) {
    .page {
      display: grid;
      grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
      align-content: start;
    }
    .page > * {
      grid-column: 1 / -1;
    }
    .page > mmx-answer-strip {
      grid-column: 1;
      max-height: calc(100vh - 84px);
      overflow-y: auto;
      padding-right: 0;
    }
    .halves {
      display: contents;
    }
    .seen,
    .several {
      grid-column: 2;
      height: auto;
      padding-top: 12px;
      grid-template: max(190px, calc(100vh - 150px)) auto auto / minmax(0, 1fr);
    }
    .several {
      grid-template-rows: auto max(150px, calc(100vh - 210px)) auto auto;
    }
    mmx-scale-scrubber,
    .alternative {
      grid-row: -2 / -1;
      grid-column: 1;
    }
    .read {
      grid-column: 1 / -1;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .progress::after {
      animation: none;
      width: 100%;
    }
  }
`;
