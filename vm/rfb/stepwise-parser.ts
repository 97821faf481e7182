/**
 * A parser written as a generator: each `yield n` asks for exactly n bytes and gets them as a Buffer, however the bytes
 * were cut up on the way. Reads as straight code, works when fed one byte at a time.
 */
export type ParseSteps = Generator<number, void, Buffer>;

/**
 * Feeds a ParseSteps generator. A step that lies inside one chunk gets a view of it; only a step that crosses chunks is
 * copied, so the cost is linear in the bytes as long as single steps are small beside a chunk.
 */
export class StepwiseParser {
  readonly #steps: ParseSteps;
  readonly #chunks: Buffer[] = [];
  #head = 0;
  #available = 0;
  #needed = 0;
  #done = false;

  constructor(steps: ParseSteps) {
    this.#steps = steps;
    this.#advance(steps.next());
  }

  /** No byte will be looked at any more: the generator returned or threw. */
  get done(): boolean {
    return this.#done;
  }

  /** Runs the generator as far as the bytes reach. What the generator throws comes out here, and ends the parser. */
  push(chunk: Buffer): void {
    if (this.#done || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
    try {
      while (this.#available >= this.#needed) this.#advance(this.#steps.next(this.#take(this.#needed)));
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  #advance(result: IteratorResult<number, void>): void {
    if (result.done === true) this.#finish();
    else this.#needed = result.value;
  }

  #finish(): void {
    this.#done = true;
    this.#needed = Infinity;
    this.#chunks.length = 0;
    this.#available = 0;
  }

  #take(bytes: number): Buffer {
    this.#available -= bytes;
    const first = this.#chunks[0];
    if (first !== undefined && first.length - this.#head >= bytes) {
      const view = first.subarray(this.#head, this.#head + bytes);
      this.#head += bytes;
      if (this.#head === first.length) this.#dropFirst();
      return view;
    }
    const joined = Buffer.allocUnsafe(bytes);
    let at = 0;
    while (at < bytes) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      const part = Math.min(bytes - at, chunk.length - this.#head);
      chunk.copy(joined, at, this.#head, this.#head + part);
      at += part;
      this.#head += part;
      if (this.#head === chunk.length) this.#dropFirst();
    }
    return joined;
  }

  #dropFirst(): void {
    this.#chunks.shift();
    this.#head = 0;
  }
}
