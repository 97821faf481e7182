import { toHomewardError, type HomewardError } from "../common/errors.ts";
import type { Framebuffer } from "../vm/rfb/framebuffer.ts";
import type { InputEvent, LogMark, PowerAction } from "../protocol/input-log.ts";
import { ActionGate, type Want } from "./action-gate.ts";
import { CheckpointMaker } from "./checkpoint-maker.ts";
import { ConsoleRelay, type InputTap } from "./console-relay.ts";
import type { LogStore } from "./log-store.ts";
import { RecordingClock } from "./recording-clock.ts";
import { ScreenWatcher } from "./screen-watcher.ts";
import { SegmentWriter } from "./segment-writer.ts";

export interface RecorderOptions {
  /** QEMU's VNC socket. */
  readonly vncSocket: string;
  /** Where viewers connect; see ConsoleRelay. */
  readonly consoleSocket: string;
  /** A relay that serves `consoleSocket` already: its viewers stay, and it is left open when recording stops. */
  readonly relay?: ConsoleRelay;
  readonly log: LogStore;
  readonly generationRoot: string;
  /** Recorded milliseconds at which this recording begins; by default where the stored log of the generation ends. */
  readonly startMs?: number;
  /** Something is wrong with the recording (not with the machine or its viewers, which go on). */
  readonly onError: (error: HomewardError) => void;
  /** Told why a viewer was turned away or cut off; not for a relay that was passed in. */
  readonly onViewerError?: (error: HomewardError) => void;
}

export interface RecorderStats {
  /** Log entries of this recording, checkpoints included. */
  readonly events: number;
  /** Bytes stored so far by this recording. */
  readonly bytes: number;
  readonly checkpoints: number;
  readonly viewers: number;
}

const FINAL_QUIET_MS = 300;

/**
 * Records what the viewers of a console do, and what the screen looked like before each action, while it relays between
 * them and QEMU. Input is sent on before it is recorded and never waits for the log.
 */
export class Recorder {
  readonly #relay: ConsoleRelay;
  readonly #ownsRelay: boolean;
  readonly #watcher: ScreenWatcher;
  readonly #writer: SegmentWriter;
  readonly #gate = new ActionGate();
  readonly #maker = new CheckpointMaker();
  readonly #detach: () => void;
  readonly #clock: RecordingClock;
  #checkpoints = 0;
  #buttons = 0;
  #paused = false;
  #inputDropped = false;
  #stopped = false;

  private constructor(
    relay: ConsoleRelay,
    ownsRelay: boolean,
    watcher: ScreenWatcher,
    writer: SegmentWriter,
    startMs: number,
  ) {
    this.#relay = relay;
    this.#ownsRelay = ownsRelay;
    this.#watcher = watcher;
    this.#writer = writer;
    this.#clock = new RecordingClock(startMs);
    const tap: InputTap = {
      key: (down, keysym, keycode) => {
        this.#key(down, keysym, keycode);
      },
      pointer: (x, y, buttons) => {
        this.#pointer(x, y, buttons);
      },
    };
    this.#detach = relay.attach(tap);
  }

  /**
   * Starts recording; the console socket is open when this resolves.
   * @throws as RfbClient.connect, ConsoleRelay.start and LogStore
   */
  static async start(options: RecorderOptions): Promise<Recorder> {
    const { log, generationRoot, onError, vncSocket, consoleSocket, onViewerError } = options;
    const stored = await log.begin(generationRoot);
    const watcher = await ScreenWatcher.start(vncSocket, onError);
    try {
      const writer = new SegmentWriter(
        (seq, data, firstMs, lastMs, events) => log.append(generationRoot, seq, data, firstMs, lastMs, events),
        stored.nextSeq,
        onError,
      );
      const relay =
        options.relay ??
        (await ConsoleRelay.start({
          vncSocket,
          consoleSocket,
          ...(onViewerError === undefined ? {} : { onViewerError }),
        }));
      // The log's time never runs backwards, whatever the caller remembers.
      const startMs = Math.max(options.startMs ?? 0, stored.lastMs);
      return new Recorder(relay, options.relay === undefined, watcher, writer, startMs);
    } catch (error) {
      watcher.stop();
      throw toHomewardError(error);
    }
  }

  /** The relay that serves the console socket, to keep it when recording stops. */
  get relay(): ConsoleRelay {
    return this.#relay;
  }

  /** The screen as it is known now, which goes on changing; undefined while there is no connection to the display. */
  get frame(): Framebuffer | undefined {
    return this.#watcher.frame;
  }

  /** Recorded milliseconds now; they stand still between the marks "suspend" and "resume". */
  get nowMs(): number {
    return this.#clock.nowMs;
  }

  /**
   * The machine was reset or powered down, by the host or by the guest itself. What the host does is an action that a
   * replay waits for the picture with; only a machine that has just been turned on shows nothing that could be waited for.
   */
  notePower(action: PowerAction, picture: "now" | "none" = "now"): void {
    const atMs = this.nowMs;
    if (picture === "now" && (action === "host-reset" || action === "host-powerdown")) this.#checkpoint("always", atMs);
    this.#note({ atMs, kind: "power", action });
  }

  /** The guest has opened network connections: the picture may from now on depend on others. */
  noteNetwork(connections: number): void {
    this.#note({ atMs: this.nowMs, kind: "network", connections });
  }

  /**
   * Writes a mark. Between "record-pause" and "record-resume" nothing else is recorded, and no input between "suspend"
   * and "resume": QEMU drops the input of a machine that is paused.
   */
  noteMark(mark: LogMark): void {
    if (mark === "suspend") this.#clock.stop();
    if (mark === "resume") this.#clock.start();
    if (mark === "record-resume") this.#paused = false;
    this.#note({ atMs: this.nowMs, kind: "mark", mark });
    if (mark === "record-pause") this.#paused = true;
    if (mark === "suspend") this.#inputDropped = true;
    if (mark === "resume") this.#inputDropped = false;
  }

  /** Resolves when everything recorded so far is on disk. @throws NO_ROOM, ... as LogStore.append */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /**
   * Releases the keys and buttons that viewers hold, in the guest and in the log. To be called just before the machine is
   * paused: a key that is down in a saved state stays down, and repeats, when that state runs again.
   */
  releaseHeld(): void {
    this.#relay.releaseHeld();
  }

  /**
   * Records the picture as it is at the end, after waiting at most 300 ms for a quiet one. Meant for a machine that has
   * just been paused: QEMU drops input from then on, so none is recorded any more until the mark "resume".
   */
  async finalCheckpoint(): Promise<void> {
    this.#inputDropped = true;
    await this.#watcher.quiet(FINAL_QUIET_MS);
    this.#checkpoint("always", this.nowMs);
  }

  /**
   * Stops recording and resolves when all is on disk. Viewers are cut off, unless the relay was passed in.
   * @throws as flush
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#detach();
    this.#watcher.stop();
    this.#clock.close();
    if (this.#ownsRelay) await this.#relay.stop();
    await this.#writer.flush();
  }

  stats(): RecorderStats {
    const { events, bytes } = this.#writer;
    return { events, bytes, checkpoints: this.#checkpoints, viewers: this.#relay.viewers };
  }

  /** Whether input is to be recorded now. */
  get #listening(): boolean {
    return !this.#paused && !this.#inputDropped && !this.#stopped;
  }

  #key(down: boolean, keysym: number, keycode: number): void {
    if (!this.#listening) return;
    const atMs = this.nowMs;
    this.#checkpoint(this.#gate.key(atMs, down, keysym), atMs);
    this.#note({ atMs, kind: "key", down, keysym, keycode });
    this.#watcher.noteInput();
  }

  #pointer(x: number, y: number, buttons: number): void {
    if (!this.#listening) return;
    const atMs = this.nowMs;
    this.#checkpoint(this.#gate.pointer(atMs, buttons), atMs);
    const event = { atMs, kind: "pointer", x, y, buttons } as const;
    if (buttons !== this.#buttons) this.#note(event);
    else this.#writer.addMotion(event);
    this.#buttons = buttons;
    this.#watcher.noteInput();
  }

  #checkpoint(want: Want, atMs: number): void {
    if (want === "none" || this.#paused || this.#stopped) return;
    const view = this.#watcher.view();
    if (view === undefined || (want === "if-changed" && !this.#maker.differs(view))) return;
    this.#checkpoints++;
    this.#writer.add({ atMs, kind: "checkpoint", checkpoint: this.#maker.take(view) });
  }

  #note(event: InputEvent): void {
    if (!this.#paused && !this.#stopped) this.#writer.add(event);
  }
}
