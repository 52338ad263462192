// What the browser keeps for its reader. There may be no storage (a sandboxed page), or one that refuses.

const PREFIX = "mmx.";

/** Empty where nothing was kept. */
export function recall(name: string): string {
  try {
    return localStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

/** Whether it could be kept. */
export function keep(name: string, value: string): boolean {
  try {
    localStorage.setItem(PREFIX + name, value);
    return true;
  } catch {
    return false;
  }
}
