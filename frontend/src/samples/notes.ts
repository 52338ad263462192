// What the reader keeps about samples: "look again", and a note. In the browser alone, by sample, so that
// it holds over runs and checkpoints; as JSON it can be taken elsewhere.
export interface Note {
  again: boolean;
  text: string;
}

const NONE: Note = { again: false, text: "" };

export class Notes {
  private readonly notes: Map<string, Note>;

  /**
   * @param storage Null, or one that refuses, where the host gives none: they last as long as the page.
   * @param place Where these samples come from: another log's are others.
   */
  constructor(
    private readonly storage: Pick<Storage, "getItem" | "setItem"> | null,
    private readonly place: string,
  ) {
    this.notes = new Map(this.read());
  }

  of(tag: string): Note {
    return this.notes.get(tag) ?? NONE;
  }

  set(tag: string, change: Partial<Note>): void {
    const note = { ...this.of(tag), ...change };
    if (note.again || note.text) this.notes.set(tag, note);
    else this.notes.delete(tag);
    try {
      this.storage?.setItem(this.key, JSON.stringify([...this.notes]));
    } catch {
      // No room, or not allowed.
    }
  }

  get count(): number {
    return this.notes.size;
  }

  /** Sorted, one object per sample. */
  json(): string {
    const all = [...this.notes].sort(([one], [other]) => (one < other ? -1 : 1));
    return JSON.stringify(all.map(([tag, { again, text }]) => ({ tag, look_again: again, note: text })), null, 2);
  }

  private get key(): string {
    return `mmx.notes ${this.place}`;
  }

  private read(): [string, Note][] {
    try {
      const found = JSON.parse(this.storage?.getItem(this.key) ?? "[]") as [string, Partial<Note>][];
      return found.map(([tag, { again, text }]) => [String(tag), { again: again === true, text: String(text ?? "") }]);
    } catch {
      return [];
    }
  }
}

/** The browser's own store, where this frame may have it. */
export function browserNotes(): Notes {
  let storage: Storage | null = null;
  try {
    storage = window.localStorage;
  } catch {
    // A sandboxed frame.
  }
  return new Notes(storage, document.baseURI.split("#")[0]!);
}
