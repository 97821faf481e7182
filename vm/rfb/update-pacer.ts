/** Bytes a second that a picture copy may cost for long. A whole 1024x768 screen is 3 MB. */
const BYTES_PER_SECOND = 40e6;
/** Bytes that may come at once before requests are spaced out: two whole screens. */
const BURST_BYTES = 6e6;

/**
 * Asks for the next update as soon as one has arrived, but spaces the requests out while something like a video repaints
 * the screen: raw pixels at 30 pictures a second would keep QEMU and this process busy with nothing else. Single large
 * changes, such as a window that opens, are not delayed.
 */
export class UpdatePacer {
  readonly #request: () => void;
  #allowance = BURST_BYTES;
  #since = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(request: () => void) {
    this.#request = request;
  }

  /** Accounts for an update of so many bytes and asks for the next one, now or a little later. */
  received(bytes: number): void {
    const now = performance.now();
    const refill = ((now - this.#since) / 1000) * BYTES_PER_SECOND;
    this.#allowance = Math.min(BURST_BYTES, this.#allowance + refill) - bytes;
    this.#since = now;
    if (this.#allowance >= 0) {
      this.#request();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#request, (-this.#allowance / BYTES_PER_SECOND) * 1000);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
