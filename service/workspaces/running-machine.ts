import { rm, symlink } from "node:fs/promises";
import type { Logger } from "pino";
import { abortable, withTimeout } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { LogMark, PowerAction } from "../../protocol/input-log.ts";
import type { CapturedInput } from "../../recorder/captured-input.ts";
import { ConsoleRelay } from "../../recorder/console-relay.ts";
import type { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";
import type { Machine } from "../../vm/machine-process.ts";
import type { Framebuffer } from "../../vm/rfb/framebuffer.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";

/** Open connections of the guest are looked at this often, in milliseconds. */
const NETWORK_POLL_MS = 1000;
const POWERDOWN_TIMEOUT_MS = 120_000;

export interface RunningMachineOptions {
  readonly machine: Machine;
  readonly ramPath: string;
  readonly consoleSocket: string;
  readonly consoleLink: string;
  /** Where input is recorded; null before the first generation: then nothing is. */
  readonly recording: { readonly log: LogStore; readonly root: string } | null;
  /** The user has paused the recording. */
  readonly paused: boolean;
  /** Someone pressed the key that pauses the recording and goes on with it; null if there is to be none. */
  readonly onPauseKey: (() => void) | null;
  readonly log: Logger;
  /** QEMU is gone and nobody here asked for it. */
  readonly onGone: () => void;
  /** QEMU has stopped the machine, as there was no room for what it writes. */
  readonly onNoRoom: () => void;
}

export type WhyEnded = "guest-shutdown" | "failure";

/** A machine whose QEMU is there, with its console and the recording of what is typed into it. */
export class RunningMachine {
  readonly machine: Machine;
  readonly ramPath: string;
  readonly consoleSocket: string;
  readonly #options: RunningMachineOptions;
  #relay: ConsoleRelay | null = null;
  #recorder: Recorder | null = null;
  #networkTimer: NodeJS.Timeout | null = null;
  #guestShutDown = false;
  #leaving = false;
  #paused: boolean;
  #looking: Promise<Framebuffer | null> | null = null;
  #ended: WhyEnded | null = null;
  #outOfRoom = false;

  constructor(options: RunningMachineOptions) {
    this.machine = options.machine;
    this.ramPath = options.ramPath;
    this.consoleSocket = options.consoleSocket;
    this.#options = options;
    this.#paused = options.paused;
    this.#watch();
  }

  /** Why QEMU ended without having been told to; null while it lives. */
  get ended(): WhyEnded | null {
    return this.#ended;
  }

  /** It stands still, as there was no room for what it writes. (A method, since the answer changes while a caller waits.) */
  isOutOfRoom(): boolean {
    return this.#outOfRoom && this.#ended === null && !this.#leaving;
  }

  /** Looks whether a machine that was taken over stands still. */
  async lookForRoom(): Promise<void> {
    if (await this.machine.isOutOfRoom()) this.#onNoRoom();
  }

  #onNoRoom(): void {
    this.#outOfRoom = true;
    this.#options.onNoRoom();
  }

  get recording(): boolean {
    return this.#recorder !== null;
  }

  /** What the screen shows: a picture that the recording has at hand, or else a new one; null if there is none. */
  async screen(): Promise<Framebuffer | null> {
    if (this.#recorder !== null) return this.#recorder.frame ?? null;
    this.#looking ??= lookOnce(this.machine.vncSocket).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** The user has paused the recording. (A method, since the answer changes while a caller waits.) */
  isPaused(): boolean {
    return this.#paused;
  }

  #watch(): void {
    this.machine.on("reset", (guestInitiated) => {
      this.notePower(guestInitiated ? "guest-reset" : "host-reset");
    });
    this.machine.on("shutdown", (guestInitiated) => {
      if (!guestInitiated) return;
      this.#guestShutDown = true;
      this.notePower("guest-shutdown");
    });
    this.machine.onNoRoom(this.#onNoRoom.bind(this));
    this.machine.on("resume", () => {
      this.#outOfRoom = false;
    });
    void this.machine.exited.then(() => {
      if (this.#leaving) return;
      this.#ended = this.#guestShutDown ? "guest-shutdown" : "failure";
      this.#options.onGone();
    });
  }

  /**
   * Opens the console, and records if there is a generation to record from and the user has not paused it. Does nothing that is done already, so it also
   * takes up the recording again after `stopRecording`.
   * @param mark why the recording begins here
   */
  async openConsole(mark: LogMark | null): Promise<void> {
    const { machine, consoleSocket, consoleLink, onPauseKey, log } = this.#options;
    if (this.#relay === null) {
      this.#relay = await ConsoleRelay.start({
        vncSocket: machine.vncSocket,
        consoleSocket,
        ...(onPauseKey === null ? {} : { onPauseKey }),
        onViewerError: (error) => {
          log.info({ code: error.code, message: error.message }, "a viewer was cut off");
        },
      });
      await rm(consoleLink, { force: true });
      await symlink(consoleSocket, consoleLink);
    }
    await this.#record(this.#relay, mark === null ? [] : [mark]);
  }

  async #record(relay: ConsoleRelay, marks: readonly LogMark[]): Promise<void> {
    const { machine, consoleSocket, recording, log } = this.#options;
    if (recording === null || this.#recorder !== null || this.isPaused()) return;
    const recorder = await Recorder.start({
      vncSocket: machine.vncSocket,
      consoleSocket,
      relay,
      log: recording.log,
      generationRoot: recording.root,
      onError: (error) => {
        log.error({ err: error }, "recording");
      },
    });
    // It may have been paused meanwhile.
    if (this.isPaused()) {
      await recorder.stop();
      return;
    }
    this.#recorder = recorder;
    for (const mark of marks) recorder.noteMark(mark);
    void this.#pollNetwork(recorder, 0);
  }

  /**
   * From this call on no input and no picture is recorded; what was before is on disk when this returns.
   * @throws NO_ROOM, ... if that cannot be written; it is paused all the same
   */
  async pauseRecording(): Promise<void> {
    this.#paused = true;
    const recorder = this.#recorder;
    this.#recorder = null;
    if (this.#networkTimer !== null) clearTimeout(this.#networkTimer);
    this.#networkTimer = null;
    recorder?.noteMark("record-pause");
    await recorder?.stop();
  }

  /** Ends a pause; a replay does not go past it. @throws what Recorder.start throws; it stays paused then */
  async resumeRecording(): Promise<void> {
    if (!this.isPaused() || this.#relay === null) return;
    this.#paused = false;
    try {
      // Once more: what was written at the pause may be another generation's log, or not have reached the disk.
      await this.#record(this.#relay, ["record-pause", "record-resume"]);
      await this.flushLog();
    } catch (error) {
      await this.pauseRecording().catch(() => undefined);
      throw error;
    }
  }

  async #pollNetwork(recorder: Recorder, before: number): Promise<void> {
    let connections = before;
    try {
      connections = await this.machine.networkConnections();
    } catch {
      // QEMU is busy saving its state, or going: the next look, or its end, will tell.
    }
    if (this.#recorder !== recorder) return;
    if (connections !== before) recorder.noteNetwork(connections);
    this.#networkTimer = setTimeout(() => void this.#pollNetwork(recorder, connections), NETWORK_POLL_MS).unref();
  }

  /** @param picture "none" for a machine that has only just been turned on */
  notePower(action: PowerAction, picture: "now" | "none" = "now"): void {
    this.#recorder?.notePower(action, picture);
  }

  /** Lets a paused machine run, and its guest know that time has passed. @throws GUEST */
  async cont(): Promise<void> {
    await this.machine.cont();
    await this.announce();
  }

  /** Asks the guest to look at its real-time clock, see docs/guest-clock.md. It runs on as well without. */
  async announce(): Promise<void> {
    await this.machine.announce().catch((error: unknown) => {
      this.#options.log.info({ err: error }, "the guest was not told that time has passed");
    });
  }

  /** Lifts what a viewer holds down: nobody could release it in a machine that goes on elsewhere. */
  releaseHeldKeys(): void {
    const elsewhere = this.#relay?.releaseHeld() ?? [];
    // Sent before whatever is asked of QEMU next.
    this.machine.releaseKeys(elsewhere.map(({ keycode }) => keycode)).catch((error: unknown) => {
      this.#options.log.info({ err: error }, "keys that are held in another viewer's window were not released");
    });
  }

  /**
   * Records what is done in a viewer that is not connected to the console.
   * @throws CONFLICT as ConsoleRelay.capture, and if nothing can be recorded because there is no generation yet
   */
  capture(onEnded: (error: HomewardError) => void): CapturedInput {
    if (this.#relay === null) throw new HomewardError("CONFLICT", "the machine is only just starting");
    if (this.#options.recording === null)
      throw new HomewardError("CONFLICT", "nothing is recorded before the first generation", {
        hint: `"homeward seal" makes one.`,
      });
    return this.#relay.capture(onEnded);
  }

  /** Size of the guest's screen in pixels; null while nothing is recorded. */
  get screenSize(): { readonly width: number; readonly height: number } | null {
    const frame = this.#recorder?.frame;
    return frame === undefined ? null : { width: frame.width, height: frame.height };
  }

  /** Everything recorded so far is on disk when this returns. */
  async flushLog(): Promise<void> {
    await this.#recorder?.flush();
  }

  /**
   * Ends the recording with the picture as it is now; all of it is on disk when this returns. Viewers stay connected.
   * @param mark why it ends
   */
  async stopRecording(mark: LogMark | null): Promise<void> {
    const recorder = this.#recorder;
    if (this.#networkTimer !== null) clearTimeout(this.#networkTimer);
    this.#networkTimer = null;
    if (recorder === null) return;
    await recorder.finalCheckpoint();
    this.#recorder = null;
    if (mark !== null) recorder.noteMark(mark);
    await recorder.stop();
  }

  async #closeConsole(): Promise<void> {
    const [recorder, relay] = [this.#recorder, this.#relay];
    this.#recorder = null;
    this.#relay = null;
    if (this.#networkTimer !== null) clearTimeout(this.#networkTimer);
    // A full disk must not keep a machine from being ended.
    await recorder?.stop().catch((error: unknown) => {
      this.#options.log.error({ err: error }, "the last input was not recorded");
    });
    await relay?.stop();
  }

  /** Ends QEMU. */
  async quit(): Promise<void> {
    this.#leaving = true;
    await this.#closeConsole();
    await this.machine.quit();
  }

  /** Lets QEMU run on without this process. */
  async leave(): Promise<void> {
    this.#leaving = true;
    await this.#closeConsole();
    this.machine.disconnect();
  }

  /** Presses the power button; resolves when QEMU is gone. @throws TIMEOUT, CANCELLED, GUEST */
  async powerDown(signal: AbortSignal | undefined): Promise<void> {
    this.notePower("host-powerdown");
    await this.machine.powerdown();
    try {
      await withTimeout(abortable(this.machine.exited, signal), POWERDOWN_TIMEOUT_MS, "the guest");
    } catch (error) {
      if (!(error instanceof HomewardError) || error.code !== "TIMEOUT") throw error;
      throw new HomewardError("TIMEOUT", `the guest did not turn itself off within ${POWERDOWN_TIMEOUT_MS / 1000} s`, {
        hint: `The power action "off" pulls its plug; what it has not written to its disk is lost then.`,
      });
    }
  }
}

/** The screen of a machine that nobody watches yet; null if it cannot be had now. */
async function lookOnce(vncSocket: string): Promise<Framebuffer | null> {
  try {
    const client = await RfbClient.connect(vncSocket);
    client.close();
    return client.frame;
  } catch {
    // The machine is going, or its display takes no more viewers.
    return null;
  }
}
