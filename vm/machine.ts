import { constants } from "node:fs";
import { open, rm } from "node:fs/promises";
import { basename } from "node:path";
import { delay, withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { readDeviceState, writeDeviceState } from "./device-state.ts";
import { checkVariables, UEFI_VARIABLES_ADDRESS, UEFI_VARIABLES_BYTES } from "./firmware.ts";
import { countConnections } from "./network-status.ts";
import { signalProcess, whenGone, type ProcessIdentity } from "./process-identity.ts";
import type { QmpClient } from "./qmp-client.ts";
import { logTail } from "./qemu-log.ts";
import { isJsonObject } from "./qmp-stream.ts";
import { removeStaleFiles, runDirFiles, type RunDirFiles } from "./run-dir.ts";

export type MachineEvent = "reset" | "shutdown" | "stop" | "resume";

const EVENT_NAMES: Readonly<Record<MachineEvent, string>> = {
  reset: "RESET",
  shutdown: "SHUTDOWN",
  stop: "STOP",
  resume: "RESUME",
};

/** Writing back a guest's unflushed data to a slow disk takes this long at worst; killing earlier would lose it. */
const QUIT_TIMEOUT_MS = 30_000;
const KILL_TIMEOUT_MS = 10_000;
const FINALIZE_TIMEOUT_MS = 10_000;
const FINALIZE_RETRY_MS = 20;

/** A file in QEMU's own folder, which could be made to lead elsewhere, or to be of any length, by a QEMU that was taken over. */
async function readOwn(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const content = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(content, 0, bytes, 0);
    return content.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * One running QEMU and this process's connection to it. QEMU is not a child in any sense that matters: it lives in a
 * session of its own, and goes on when the connection, or the whole service, ends.
 */
export class Machine {
  readonly pid: number;
  readonly qmp: QmpClient;
  readonly vncSocket: string;
  /** Resolves when QEMU is gone, for whatever reason; never after `disconnect()`. */
  readonly exited: Promise<void>;
  readonly #files: RunDirFiles;
  readonly #identity: ProcessIdentity;
  readonly #disconnected = new AbortController();

  /** Use `startMachine` or `adoptMachine`. */
  constructor(runDir: string, identity: ProcessIdentity, qmp: QmpClient) {
    this.pid = identity.pid;
    this.qmp = qmp;
    this.#files = runDirFiles(runDir);
    this.#identity = identity;
    this.vncSocket = this.#files.vnc;
    this.exited = this.#watchExit();
  }

  /**
   * Calls `listener` on a change of power or run state; `guestInitiated` tells a guest's own reset or shutdown from one
   * that was asked for here. Returns what ends the calls.
   */
  on(event: MachineEvent, listener: (guestInitiated: boolean) => void): () => void {
    return this.qmp.onEvent(({ name, data }) => {
      if (name === EVENT_NAMES[event]) listener(data["guest"] === true);
    });
  }

  /**
   * Calls `listener` when QEMU has stopped the machine at a write for which the host had no room. QEMU keeps the write, also in a
   * saved state, and does it again after `cont()`. Returns what ends the calls.
   */
  onNoRoom(listener: () => void): () => void {
    return this.on("stop", () => {
      this.isOutOfRoom().then(
        (isSo) => {
          if (isSo) listener();
        },
        () => undefined, // QEMU has gone.
      );
    });
  }

  /** Whether QEMU has stopped the machine for that: of errors of the disk it only stops at this one (werror=enospc). @throws GUEST */
  async isOutOfRoom(): Promise<boolean> {
    return (await this.status()) === "io-error";
  }

  /** Stops the virtual CPUs. */
  async pause(): Promise<void> {
    await this.qmp.execute("stop");
  }

  /** Lets the virtual CPUs run, also after `saveDeviceState`. @throws GUEST */
  async cont(): Promise<void> {
    const deadline = performance.now() + FINALIZE_TIMEOUT_MS;
    for (;;) {
      try {
        await this.qmp.execute("cont");
        return;
      } catch (error) {
        // Right after a migration QEMU still closes it, and no event tells when that is over (7.2).
        const soon = error instanceof HomewardError && error.message.includes("not finalized yet");
        if (!soon || performance.now() > deadline) throw error;
        await delay(FINALIZE_RETRY_MS);
      }
    }
  }

  /** Presses the reset button. */
  async reset(): Promise<void> {
    await this.qmp.execute("system_reset");
  }

  /** Presses the power button; the guest decides what follows. */
  async powerdown(): Promise<void> {
    await this.qmp.execute("system_powerdown");
  }

  /** Power button, then, if the guest is not off after `timeoutMs`, `quit()`. */
  async stopGracefully(timeoutMs: number): Promise<void> {
    try {
      if ((await this.status()) === "running") {
        await this.powerdown();
        await withTimeout(this.exited, timeoutMs, "the guest");
        return;
      }
    } catch {
      // A guest that does not react, or a QEMU that does not answer: both end the hard way.
    }
    await this.quit();
  }

  /** Ends QEMU, writing out what the guest has flushed; kills it when it does not go. Resolves when it is gone. */
  async quit(): Promise<void> {
    try {
      // QEMU may be gone before its answer is.
      await this.qmp.execute("quit");
    } catch {
      await signalProcess(this.#identity, "SIGTERM");
    }
    try {
      await withTimeout(whenGone(this.#identity), QUIT_TIMEOUT_MS, "QEMU");
    } catch {
      await signalProcess(this.#identity, "SIGKILL");
      await withTimeout(whenGone(this.#identity), KILL_TIMEOUT_MS, "killing QEMU");
    }
    // What it cannot do itself where it runs as another user.
    await removeStaleFiles(this.#files);
  }

  /** Ends QEMU at once: what it has not written yet is lost. For machines that nobody wants anything of any more. */
  async kill(): Promise<void> {
    await signalProcess(this.#identity, "SIGKILL");
    await withTimeout(whenGone(this.#identity), KILL_TIMEOUT_MS, "killing QEMU");
  }

  /** Releases keys in the guest, whoever pressed them. @param keycodes XT scan codes, as in QEMU's extended key event */
  async releaseKeys(keycodes: readonly number[]): Promise<void> {
    const events = keycodes.map((data) => ({ type: "key", data: { down: false, key: { type: "number", data } } }));
    if (events.length > 0) await this.qmp.execute("input-send-event", { events });
  }

  /**
   * Tells the guest that it may be somewhere else, or later, than it thinks: its network card asks it to announce itself
   * (virtio 1.1, 5.1.6.5.4), which a program in the guest can wait for. QEMU does so by itself after it loaded a state.
   */
  async announce(): Promise<void> {
    await this.qmp.execute("announce-self", { initial: 50, max: 550, rounds: 3, step: 100 });
  }

  /** QEMU's run state: "running", "paused", "postmigrate", "inmigrate", "io-error", "shutdown", "guest-panicked", … */
  async status(): Promise<string> {
    const answer = await this.qmp.execute("query-status");
    if (isJsonObject(answer) && typeof answer["status"] === "string") return answer["status"];
    throw new HomewardError("GUEST", "QEMU gave no status");
  }

  /**
   * Pauses the machine and writes everything but RAM and disk to `path`, durably. QEMU stays paused and keeps its
   * memory, so that `cont()` takes it all back; RAM and disk are for the caller to `syncFiles`.
   * @throws CONFLICT if it was saved already and has not run since, GUEST, CANCELLED, TIMEOUT
   */
  async saveDeviceState(path: string, signal?: AbortSignal): Promise<void> {
    if ((await this.status()) === "postmigrate")
      throw new HomewardError("CONFLICT", "the machine is suspended already");
    await this.pause();
    await writeDeviceState(this.qmp, this.#files.migration, path, signal);
  }

  /**
   * Loads a state into a machine started with `incoming`, which is paused afterwards.
   * @throws GUEST with QEMU's words if it refuses the state, CANCELLED, TIMEOUT; QEMU ends by itself after the first two
   */
  async loadDeviceState(path: string, signal?: AbortSignal): Promise<void> {
    try {
      await readDeviceState(this.qmp, this.#files.migration, path, signal);
    } catch (error) {
      if (!(error instanceof HomewardError) || error.code !== "GUEST") throw error;
      const words = await logTail(this.#files.log);
      const message = words === "" ? error.message : words;
      throw new HomewardError("GUEST", `QEMU did not take the saved state: ${message}`, { cause: error });
    }
    const status = await this.status();
    if (status === "running" || status === "inmigrate")
      throw new HomewardError("GUEST", `the machine is ${status} after its state was loaded`);
  }

  /**
   * What the variables of a machine with UEFI firmware are now, read from its memory by way of a file.
   * @throws GUEST; DAMAGED if the firmware is just writing one, which a paused machine may have been
   */
  async uefiVariables(): Promise<Buffer> {
    const { memory } = this.#files;
    const range = { val: UEFI_VARIABLES_ADDRESS, size: UEFI_VARIABLES_BYTES };
    await this.qmp.execute("pmemsave", { ...range, filename: basename(memory) });
    const content = await readOwn(memory, UEFI_VARIABLES_BYTES);
    await rm(memory);
    checkVariables(content, "the machine's flash memory");
    return content;
  }

  /** Bytes that the guest has written to its disk since QEMU started. */
  async blockWriteBytes(): Promise<number> {
    const devices = await this.qmp.execute("query-blockstats");
    let bytes = 0;
    for (const device of Array.isArray(devices) ? (devices as unknown[]) : []) {
      const stats = isJsonObject(device) ? device["stats"] : undefined;
      const written = isJsonObject(stats) ? stats["wr_bytes"] : undefined;
      if (typeof written === "number") bytes += written;
    }
    return bytes;
  }

  /** TCP connections and UDP flows that the guest has opened and that are not over. */
  async networkConnections(): Promise<number> {
    const text = await this.qmp.execute("human-monitor-command", { "command-line": "info usernet" });
    return countConnections(typeof text === "string" ? text : "");
  }

  /** Drops the connection and leaves QEMU running, for `adoptMachine`. */
  disconnect(): void {
    this.#disconnected.abort();
    this.qmp.close();
  }

  async #watchExit(): Promise<void> {
    // The kernel closes the connection when QEMU ends, however it ends.
    await this.qmp.closed;
    if (this.#disconnected.signal.aborted) await new Promise(() => undefined);
    await whenGone(this.#identity);
  }
}
