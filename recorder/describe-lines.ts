/** A line of the description, for people; `atMs` counts from the start of the log. */
export interface FinishedLine {
  readonly atMs: number;
  readonly text: string;
}

/** Without `text` it is still being put together; an empty one is left out. */
export interface Line {
  readonly atMs: number;
  text?: string;
}

/** So many lines wait for an unfinished one before them. */
const MAX_LINES = 100;

/** Lines in the order in which they began, though they are finished in another. */
export class LineQueue {
  #lines: Line[] = [];

  get tooLong(): boolean {
    return this.#lines.length > MAX_LINES;
  }

  /** A line that will get its text later. */
  open(atMs: number): Line {
    const line: Line = { atMs };
    this.#lines.push(line);
    return line;
  }

  add(atMs: number, text: string): void {
    this.#lines.push({ atMs, text });
  }

  /** Takes out the lines before the first unfinished one. */
  *finished(): Generator<FinishedLine, void, undefined> {
    for (;;) {
      const { atMs, text } = this.#lines[0] ?? { atMs: 0 };
      if (text === undefined) return;
      this.#lines.shift();
      if (text !== "") yield { atMs, text };
    }
  }
}
