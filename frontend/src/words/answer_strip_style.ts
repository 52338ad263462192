// The look of the answer strip.
import { css } from "lit";

export const STRONGEST_TINT = 0.62;

export const stripStyle = css`
  :host {
    display: grid;
    grid-template: auto 1fr / minmax(0, 1fr) auto;
    gap: 6px 16px;
  }
  slot {
    /* Two lines: what is below keeps its place while the sentence is on its way. */
    display: block;
    min-height: 3em;
    line-height: 1.5;
    grid-area: 2 / 1;
  }
  .side {
    grid-area: 1 / 2 / 3 / 3;
    align-content: start;
  }
  .passage {
    grid-area: 1 / 1;
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 6px;
  }
  mmx-minimap {
    display: block;
    height: 18px;
  }
  .text {
    max-height: 148px;
    overflow-y: auto;
    /* What is drawn above and taken away is made up for here. */
    overflow-anchor: none;
    padding: 3px;
    margin: -3px;
    font-size: 17px;
    line-height: 34px;
  }
  .token {
    position: relative;
    height: auto;
    padding: 3px 4px 5px;
    border: 0;
    border-radius: 6px;
    background: rgb(var(--grounding) / var(--tint, 0));
    line-height: 1.2;
    color: var(--text);
  }
  .word {
    margin-left: 3px;
  }
  .token::after {
    content: "";
    position: absolute;
    left: 4px;
    right: 4px;
    bottom: 1px;
    height: 2.5px;
    border-radius: 2px;
    background: var(--accent);
    opacity: var(--line-strength, 0);
  }
  .fold {
    height: 26px;
    padding: 0 6px;
    font-size: 13px;
  }
  .prompt {
    padding: 3px 2px 5px;
    font-size: 13px;
    color: var(--muted);
  }
  .answer:hover,
  .hovered {
    box-shadow: 0 0 0 1.5px var(--muted);
  }
  .special {
    font-size: 11px;
    font-family: ui-monospace, monospace;
  }
  [aria-selected="true"] {
    box-shadow: 0 0 0 2px var(--accent);
    font-weight: 600;
  }
  .answer-start {
    margin-left: 12px;
  }
  .turn {
    display: inline-block;
    min-width: 62px;
    font-size: 11px;
    color: var(--muted);
  }
  .mapped {
    text-decoration: underline dotted;
    text-underline-offset: 3px;
  }
  .pinned {
    box-shadow: inset 0 -2px var(--accent);
    color: var(--text);
  }
  /* Framed as a scale is that would have said another word. */
  .doubtful:not(:focus-visible) {
    outline: 1px dashed var(--warning);
    outline-offset: -1px;
  }
  .unsure:not(:focus-visible) {
    outline-style: dotted;
  }
  .doubts {
    grid-column: 1 / 3;
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 2px 10px;
    font-size: 12px;
    color: var(--muted);
  }
  .walk {
    display: flex;
    align-items: center;
  }
  .walk button {
    height: 20px;
    padding: 0 6px;
    font-size: 15px;
    line-height: 1;
  }
  .answer-start:dir(rtl) {
    display: block;
  }
  .side {
    display: grid;
    grid-template-columns: max-content max-content;
    gap: 6px 10px;
    align-items: center;
  }
  .segments {
    font-size: 12px;
  }
  .side .segments button {
    height: 20px;
    padding: 0 8px;
  }
  .combine {
    font-size: 11px;
    color: var(--muted);
  }
  .combine select {
    height: 24px;
    margin-right: 4px;
  }
  .key {
    grid-column: 1 / 3;
    justify-content: start;
    display: grid;
    grid-template-columns: auto auto;
    gap: 4px 8px;
    align-items: center;
    padding-top: 4px;
    font-size: 11px;
    color: var(--muted);
    white-space: nowrap;
  }
  .tint {
    width: 44px;
    height: 10px;
    border-radius: 3px;
    background: linear-gradient(to right, rgb(var(--grounding) / 0), rgb(var(--grounding) / ${STRONGEST_TINT}));
    box-shadow: inset 0 0 0 1px var(--line);
  }
  .without {
    display: grid;
  }
  .line {
    width: 44px;
    height: 2.5px;
    border-radius: 2px;
    background: linear-gradient(to right, transparent, var(--accent));
  }
  /* Not high: the sentence has the whole width. */
  @media (max-width: 980px) {
    .key {
      display: none;
    }
    .side {
      grid-area: 1 / 2;
    }
    slot {
      grid-area: 2 / 1 / 3 / 3;
    }
  }
  @media (max-width: 620px), (max-height: 520px) and (max-width: 980px) {
    :host {
      grid-template: auto auto 1fr / minmax(0, 1fr);
    }
    .side {
      grid-area: 1 / 1;
      display: flex;
      flex-wrap: wrap;
      align-items: center;
    }
    .passage {
      grid-area: 2 / 1;
    }
    slot {
      grid-area: 3 / 1;
    }
  }
  /* Four lines, and the picture is still above the fold. */
  @media (max-width: 620px), (max-height: 520px) {
    .text {
      max-height: 108px;
    }
  }
`;
