// The look of the table of samples.
import { css } from "lit";

export const ROW_HEIGHT = 34;
export const HEAD_HEIGHT = 30;
/** Padding at a row's ends. */
export const SIDE = 10;

export const tableStyle = css`
  :host {
    display: flex;
    flex-direction: column;
    min-width: 0;
    min-height: 0;
    color: var(--text);
  }
  .bar {
    flex: none;
    display: flex;
    align-items: center;
    gap: 8px 12px;
    padding: 0 16px 8px;
  }
  .bar input {
    flex: 0 1 340px;
    min-width: 90px;
    padding: 0 10px;
    cursor: text;
  }
  .bar .note {
    flex: 0 1 200px;
    margin-left: auto;
  }
  .bar select {
    min-width: 0;
    max-width: 150px;
  }
  .count {
    color: var(--muted);
    white-space: nowrap;
  }
  .grid {
    flex: 1;
    min-height: 0;
    overflow: hidden auto;
    border-top: 1px solid var(--line);
  }
  /* An outline of the grid itself would lie beneath its rows. */
  .grid:focus-visible {
    outline: none;
  }
  .grid:focus-visible .head {
    box-shadow: inset 0 -2px 0 var(--accent);
  }
  .grid:focus-visible [aria-selected="true"] {
    outline: 2px solid var(--accent);
    outline-offset: -2px;
  }
  .rows {
    position: relative;
  }
  .row {
    position: relative;
    display: grid;
    grid-template-columns: var(--columns);
    align-items: center;
    height: ${ROW_HEIGHT}px;
    padding: 0 ${SIDE}px;
    border-bottom: 1px solid var(--line);
    contain: strict;
    cursor: pointer;
  }
  .row:hover {
    background: var(--hover);
  }
  .row[aria-selected="true"] {
    background: var(--accent-soft);
    box-shadow: inset 3px 0 0 var(--accent);
  }
  .top {
    position: sticky;
    z-index: 1;
    top: 0;
  }
  .head {
    height: ${HEAD_HEIGHT}px;
    background: var(--chrome);
    cursor: default;
  }
  .head:hover {
    background: var(--chrome);
  }
  .row > * {
    min-width: 0;
    padding: 0 6px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .head > * {
    height: 100%;
    padding: 0;
  }
  .head button {
    width: 100%;
    height: 100%;
    padding: 0 6px;
    overflow: hidden;
    border: 0;
    border-radius: 4px;
    text-align: inherit;
    text-overflow: ellipsis;
    white-space: nowrap;
    font-size: 12px;
  }
  .head button:focus-visible {
    outline-offset: -2px;
  }
  [aria-sort] button {
    color: var(--text);
  }
  .image {
    display: grid;
  }
  .image span {
    width: 42px;
    height: 26px;
    overflow: hidden;
    border-radius: 4px;
    background: var(--stage);
  }
  img {
    display: block;
    width: 100%;
    height: 100%;
    object-fit: cover;
  }
  .name {
    font-weight: 600;
  }
  .name small {
    font-weight: 400;
    color: var(--muted);
  }
  mark {
    padding: 1px 0;
    border-bottom: 2px solid var(--accent);
    background: none;
    color: inherit;
    font-weight: 600;
  }
  .error {
    grid-column: 3 / -1;
    color: var(--warning);
  }
  .number {
    text-align: right;
  }
  .share {
    display: inline-block;
    width: 44px;
    padding-bottom: 3px;
    background: linear-gradient(rgb(var(--grounding)) 0 0) no-repeat left bottom /
        calc(var(--share) * 100%) 3px,
      linear-gradient(var(--track) 0 0) no-repeat left bottom / 100% 1px;
    line-height: 1.2;
  }
  .better {
    color: var(--better);
  }
  .worse,
  .trouble {
    color: var(--warning);
  }
  .again {
    color: rgb(var(--grounding));
  }
  a.field {
    display: inline-flex;
    align-items: center;
    padding: 0 10px;
    margin-left: auto;
    border: 1px solid var(--line);
    text-decoration: none;
    white-space: nowrap;
  }
  .none {
    padding: 20px 16px;
    color: var(--muted);
  }
`;
