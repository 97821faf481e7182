import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { delay } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";

/** A machine that stands still for want of room goes on when so many bytes are free: with less it would soon stand again. */
export const ROOM_TO_GO_ON = 32 * 1024 * 1024;

/** Shown as long as a machine stands still. */
export const DISK_FULL_NOTE =
  `it stands still: this computer's disk is full, and QEMU keeps the write for which there was no room; it goes on by itself ` +
  `as soon as ${ROOM_TO_GO_ON / 1024 ** 2} MiB are free`;

const FIRST_LOOK_MS = 1000;
const LAST_LOOK_MS = 30_000;
/** A machine that ran for so long has had room meanwhile. */
const STEADY_MS = 60_000;

/** Bytes that this user can still write to where the file `path` lies. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(path));
  return bavail * bsize;
}

/** @throws NO_ROOM if a machine that stands still could not go on yet. @param overlay where it writes */
export async function requireRoomToGoOn(name: string, overlay: string): Promise<void> {
  const missing = ROOM_TO_GO_ON - (await freeBytes(overlay));
  if (missing <= 0) return;
  throw new HomewardError("NO_ROOM", `${name} stands still, as this computer's disk is full`, {
    hint: `Free ${Math.ceil(missing / 1e6)} MB; it goes on by itself then, and nothing of it is lost.`,
    data: { needed: ROOM_TO_GO_ON },
  });
}

export interface DiskFullOptions {
  /** QEMU has stopped the machine and has not let it go on since. */
  readonly stands: () => boolean;
  readonly freeBytes: () => Promise<number>;
  /** Lets it go on if it still stands; may take as long as whatever is under way. */
  readonly goOn: () => Promise<void>;
  readonly stopping: AbortSignal;
  readonly onError: (error: HomewardError) => void;
}

const CLOCK = { now: () => performance.now(), delay };

/** Looks whether there is room again for a machine that QEMU has stopped. No event of the system tells. */
export class DiskFullWatch {
  readonly #options: DiskFullOptions;
  readonly #clock: typeof CLOCK;
  #wait = FIRST_LOOK_MS;
  #wentOn = -Infinity;
  #watching = false;

  constructor(options: DiskFullOptions, clock = CLOCK) {
    this.#options = options;
    this.#clock = clock;
  }

  /** The machine stands still: resolves when it does not any more, or the service ends. Never rejects. */
  async stood(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    if (this.#clock.now() - this.#wentOn > STEADY_MS) this.#wait = FIRST_LOOK_MS;
    try {
      while (this.#options.stands()) await this.#look();
    } catch {
      // The service ends; the next one looks again.
    } finally {
      this.#watching = false;
    }
  }

  async #look(): Promise<void> {
    const { stands, freeBytes, goOn, stopping, onError } = this.#options;
    await this.#clock.delay(this.#wait, stopping);
    try {
      if (!stands() || (await freeBytes()) < ROOM_TO_GO_ON) return;
      // Room that only seems to be there (a quota, say) is tried less and less often.
      this.#wait = Math.min(2 * this.#wait, LAST_LOOK_MS);
      await goOn();
      this.#wentOn = this.#clock.now();
    } catch (error) {
      onError(toHomewardError(error));
    }
  }
}
