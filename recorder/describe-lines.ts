/** A line of the description. Without `text` it is still being put together; an empty one is left out. */
export interface Line {
  readonly atMs: number;
  text?: string;
}

/** So many lines wait for an unfinished one before them. */
const MAX_LINES = 100;

/** 1:02:03.450 from milliseconds. */
export function formatTime(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = ((ms % 60_000) / 1000).toFixed(3).padStart(6, "0");
  const head = hours === 0 ? String(minutes) : `${hours}:${String(minutes).padStart(2, "0")}`;
  return `${head}:${seconds}`;
}

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
  *finished(): Generator<string, void, undefined> {
    for (;;) {
      const { atMs, text } = this.#lines[0] ?? { atMs: 0 };
      if (text === undefined) return;
      this.#lines.shift();
      if (text !== "") yield `${formatTime(atMs)}  ${text}`;
    }
  }
}
