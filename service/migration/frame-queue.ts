import { HomewardError } from "../../common/errors.ts";
import { frameBytes, type Frame } from "../../protocol/wire.ts";

/** Past the upper mark the stream is not read any further, until the lower one is reached. */
const HIGH_BYTES = 8 * 1024 * 1024;
const LOW_BYTES = 2 * 1024 * 1024;

/** Received frames that nobody has taken yet, for one reader. */
export class FrameQueue {
  readonly #frames: Frame[] = [];
  #bytes = 0;
  #wake: (() => void) | null = null;

  get isFull(): boolean {
    return this.#bytes > HIGH_BYTES;
  }

  get hasRoom(): boolean {
    return this.#bytes <= LOW_BYTES;
  }

  push(frame: Frame): void {
    this.#frames.push(frame);
    this.#bytes += frameBytes(frame.payload.length);
    this.wake();
  }

  take(): Frame | null {
    const frame = this.#frames.shift();
    if (frame === undefined) return null;
    this.#bytes -= frameBytes(frame.payload.length);
    return frame;
  }

  /** Resolves at the next frame, or at `wake`. */
  changed(): Promise<void> {
    if (this.#wake !== null) throw new HomewardError("INTERNAL", "two readers on one connection");
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Lets a waiting reader look again. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
