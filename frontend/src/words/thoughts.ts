// Where an answer thinks before it answers, and the sentences of its thought; as Python's
// `mmx_core.text.thoughts`, and held to it by a file that both tests read.
export interface Pieces {
  first: number;
  end: number;
}

/** Of Qwen, GLM, InternVL and most; of Mistral; of Kimi; of Gemma 4 and gpt-oss. */
const OPENING = /<think>|<thinking>|\[THINK\]|◁think▷|<\|channel\|?>(?:thought|analysis)/gu;
const CLOSING = /<\/think>|<\/thinking>|\[\/THINK\]|◁\/think▷|<channel\|>|<\|end\|>/gu;
const END = /[.!?…]+["'”’)\]]*(?=\s|$)|[。！？]+[”’」』）]*|\n+/gu;
/** What stands before an entry of a list, and is no sentence. */
const NUMBERED = /^\s*\(?(?:\d{1,3}|[a-zA-Z])[.)]\s*$/u;

/** The pieces between an answer's markers; to the end where the thought was cut off. */
export function thoughtOf(texts: readonly string[]): Pieces | null {
  const whole = texts.join("");
  const opened = found(OPENING, whole, 0);
  const start = opened?.end ?? 0;
  const closed = found(CLOSING, whole, start);
  if (!opened && !closed) return null;
  const end = closed?.start ?? whole.length;
  const starts = startsOf(texts);
  const inside = texts.flatMap((text, i) => (text && start <= starts[i]! && starts[i + 1]! <= end ? [i] : []));
  if (!inside.length) return null;
  const pieces = { first: inside[0]!, end: inside.at(-1)! + 1 };
  return texts.slice(pieces.first, pieces.end).join("").trim() ? pieces : null;
}

/** The sentences that pieces spell: a line is one, too, and blanks go with the one before. */
export function sentencesOf(texts: readonly string[]): Pieces[] {
  const whole = texts.join("");
  const starts = startsOf(texts);
  const begins = new Set<number>();
  for (const match of whole.matchAll(END)) {
    const end = match.index + match[0].length;
    const piece = starts.findLastIndex((start) => start <= end - 1);
    const before = whole.slice(starts[piece], match.index).trim();
    const behind = whole.slice(end, starts[piece + 1]).trim();
    begins.add(behind && !before ? piece : piece + 1);
  }
  const firsts = [0];
  let said = "";
  texts.forEach((text, i) => {
    if (begins.has(i) && !text.trim()) begins.add(i + 1);
    else if (begins.has(i) && said.trim() && !NUMBERED.test(said)) {
      firsts.push(i);
      said = "";
    }
    said += text;
  });
  return texts.length ? firsts.map((first, s) => ({ first, end: firsts[s + 1] ?? texts.length })) : [];
}

function startsOf(texts: readonly string[]): number[] {
  const starts = [0];
  for (const text of texts) starts.push(starts.at(-1)! + text.length);
  return starts;
}

function found(pattern: RegExp, text: string, from: number): { start: number; end: number } | null {
  pattern.lastIndex = from;
  const match = pattern.exec(text);
  return match ? { start: match.index, end: match.index + match[0].length } : null;
}
