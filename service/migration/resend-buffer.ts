import { HomewardError } from "../../common/errors.ts";
import { frameBytes, type Frame } from "../../protocol/wire.ts";

/** Past this, a sender waits until the other side says that it has some of it. */
const FULL_BYTES = 4 * 1024 * 1024;

/** Numbered frames that were sent, in their order, until the other side says that it has them. */
export class ResendBuffer {
  readonly #frames: Frame[] = [];
  /** Number of the first of them. */
  #first: number;
  #bytes = 0;

  /** @param first number of the next frame; those before it are known to have come */
  constructor(first: number) {
    this.#first = first;
  }

  get isFull(): boolean {
    return this.#bytes > FULL_BYTES;
  }

  add(frame: Frame): void {
    this.#frames.push(frame);
    this.#bytes += frameBytes(frame.payload.length);
  }

  /**
   * The other side has the first `count` frames of the link.
   * @throws PEER if that cannot be: fewer than it said before, or more than were sent
   */
  acknowledge(count: number): void {
    if (count < this.#first || count > this.#first + this.#frames.length)
      throw new HomewardError("PEER", "the other host counts the messages of this link in another way", {
        data: { count, from: this.#first, to: this.#first + this.#frames.length },
      });
    for (const { payload } of this.#frames.splice(0, count - this.#first)) this.#bytes -= frameBytes(payload.length);
    this.#first = count;
  }

  /** Those that the other side does not have. */
  get frames(): readonly Frame[] {
    return this.#frames;
  }
}
