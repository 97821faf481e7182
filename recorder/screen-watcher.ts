import { delay } from "../common/abort.ts";
import { toHomewardError, type HomewardError } from "../common/errors.ts";
import type { Framebuffer } from "../vm/rfb/framebuffer.ts";
import { RfbClient } from "../vm/rfb/rfb-client.ts";
import { CellHistory } from "./cell-history.ts";
import type { ScreenView } from "./checkpoint-maker.ts";

/**
 * QEMU looks for changes 30, 80, 130, 180, ... ms apart while it finds none (see RfbClient). Woken this often it looks
 * at least every 130 ms or so, which keeps both this picture and the user's fresh, at three looks per period.
 */
const WAKE_EVERY_MS = 120;
const QUIET_CHECK_MS = 20;
const RECONNECT_DELAYS_MS = [50, 250, 1000];

/** The recorder's own view of the guest's screen: always the newest picture, and how restless each cell of it is. */
export class ScreenWatcher {
  readonly #vncSocket: string;
  readonly #onLost: (error: HomewardError) => void;
  #client: RfbClient | undefined;
  #history = new CellHistory(new Uint8Array(0));
  #width = 0;
  #height = 0;
  #sinceMs = 0;
  #stopped = false;

  private constructor(vncSocket: string, onLost: (error: HomewardError) => void) {
    this.#vncSocket = vncSocket;
    this.#onLost = onLost;
  }

  /**
   * @param onLost called once when the display is gone for good; what was seen last remains
   * @throws as RfbClient.connect
   */
  static async start(vncSocket: string, onLost: (error: HomewardError) => void): Promise<ScreenWatcher> {
    const watcher = new ScreenWatcher(vncSocket, onLost);
    await watcher.#connect();
    return watcher;
  }

  noteInput(): void {
    this.#history.noteInput();
  }

  /** The screen as it is known now, or undefined while there is no connection to the display. */
  view(): ScreenView | undefined {
    if (this.#client === undefined || this.#width === 0) return undefined;
    const now = performance.now();
    const history = this.#history;
    return {
      width: this.#width,
      height: this.#height,
      grid: history.grid,
      flickering: history.cellsThat((cell) => history.isFlickering(cell, now)),
      unsettled: history.cellsThat((cell) => history.isUnsettled(cell, now) && !history.isFlickering(cell, now)),
      ageMs: now - Math.max(this.#sinceMs, history.lastChangeMs(now)),
    };
  }

  /** The picture itself, which goes on changing; undefined while there is no connection to the display. */
  get frame(): Framebuffer | undefined {
    return this.#client?.frame;
  }

  /** Resolves when nothing but flickering cells has changed for a moment, at the latest after `limitMs` milliseconds. */
  async quiet(limitMs: number): Promise<void> {
    const end = performance.now() + limitMs;
    this.#client?.wakeDisplay();
    // QEMU looks at once when woken; give that picture the time to arrive before believing that nothing moves.
    await delay(Math.min(limitMs, 3 * QUIET_CHECK_MS));
    while (performance.now() < end && (this.view()?.unsettled.length ?? 0) > 0) await delay(QUIET_CHECK_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.close();
    this.#client = undefined;
  }

  async #connect(): Promise<void> {
    const client = await RfbClient.connect(this.#vncSocket, { wakeEveryMs: WAKE_EVERY_MS });
    if (this.#stopped) {
      client.close();
      return;
    }
    this.#client = client;
    this.#look(client);
    client.onUpdate(() => {
      this.#look(client);
    });
    client.onClose((error) => {
      this.#client = undefined;
      if (!this.#stopped && error !== undefined) void this.#reconnect(toHomewardError(error));
    });
  }

  /** QEMU cuts a viewer off that it thinks too slow; the machine is only gone when nothing answers any more. */
  async #reconnect(cause: HomewardError): Promise<void> {
    for (const pause of RECONNECT_DELAYS_MS) {
      await delay(pause);
      if (this.#stopped) return;
      try {
        await this.#connect();
        return;
      } catch {
        // The next, longer pause may help; the first cause is what is reported.
      }
    }
    this.#onLost(cause);
  }

  #look(client: RfbClient): void {
    const now = performance.now();
    const { frame } = client;
    const grid = frame.lumaGrid();
    if (frame.width !== this.#width || frame.height !== this.#height) {
      this.#width = frame.width;
      this.#height = frame.height;
      this.#history = new CellHistory(grid);
      this.#sinceMs = now;
    } else this.#history.update(grid, now);
  }
}
