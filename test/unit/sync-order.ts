import { readlinkSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

/** What became durable when: every fsync of this process, by the file's name at that moment, and whatever else is noted. */
export class SyncOrder {
  readonly events: string[] = [];
  readonly #prototype: FileHandle;
  readonly #sync: FileHandle["sync"];

  private constructor(prototype: FileHandle) {
    this.#prototype = prototype;
    const { events } = this;
    // eslint-disable-next-line @typescript-eslint/unbound-method -- it is bound to whichever handle it is called on
    const sync = prototype.sync;
    this.#sync = sync;
    prototype.sync = async function (this: FileHandle): Promise<void> {
      const path = readlinkSync(`/proc/self/fd/${String(this.fd)}`);
      await sync.call(this);
      events.push(`sync ${path}`);
    };
  }

  static async watch(): Promise<SyncOrder> {
    const handle = await open("/dev/null");
    await handle.close();
    return new SyncOrder(Object.getPrototypeOf(handle) as FileHandle);
  }

  stop(): void {
    this.#prototype.sync = this.#sync;
  }

  /** Names of what was synced before `event`, without the folders they are in. */
  syncedBefore(event: string): string[] {
    const end = this.events.indexOf(event);
    if (end === -1) throw new Error(`${event} never happened`);
    return this.events
      .slice(0, end)
      .filter((one) => one.startsWith("sync "))
      .map((one) => one.slice(one.lastIndexOf("/") + 1));
  }
}
