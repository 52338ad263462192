// Keys of one character can be switched off: speech input and slips of the hand press them unawares.
const STORED = "mmx.shortcuts";
/** Where nothing can be stored it holds for the page. */
let off = false;

export function shortcutsOn(): boolean {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return !off;
  }
}

export function keepShortcuts(on: boolean): void {
  off = !on;
  try {
    if (on) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, "off");
  } catch {
    // A sandboxed frame has no storage.
  }
}

/** A letter, a digit or a sign, without a key that is held for it. */
export function isCharacter(key: string): boolean {
  return [...key].length === 1 && key !== " ";
}
