import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { CapturedInput } from "./captured-input.ts";
import { HeldInput, type HeldKey } from "./held-input.ts";
import { PauseKey } from "./pause-key.ts";
import { ViewerConnection, type InputTap } from "./viewer-connection.ts";

export type { InputTap } from "./viewer-connection.ts";

export interface ConsoleRelayOptions {
  /** QEMU's VNC socket. */
  readonly vncSocket: string;
  /** Where viewers connect. Its directory keeps strangers out (0700); a stale socket there is replaced. */
  readonly consoleSocket: string;
  /** Someone pressed Ctrl+Alt+Shift+F12, which the guest then does not get; without this it does. */
  readonly onPauseKey?: () => void;
  /** Told why a viewer was turned away or cut off. */
  readonly onViewerError?: (error: HomewardError) => void;
}

/** QEMU itself stops at 32 connections. */
const MAX_VIEWERS = 16;
const MAX_LEFT = 8;

/**
 * The console socket of a running machine: any number of VNC viewers connect here and share the guest's screen. It stays
 * open when viewers come and go or misbehave, and when QEMU is gone (viewers are then cut off, new ones turned away).
 */
export class ConsoleRelay {
  readonly #options: ConsoleRelayOptions;
  readonly #server: Server;
  readonly #viewers = new Set<ViewerConnection>();
  readonly #held = new HeldInput();
  /** Connections to QEMU of viewers that have gone, oldest first. */
  readonly #left = new Set<Socket>();
  #tap: InputTap | undefined;
  #captured: CapturedInput | undefined;
  #stopped = false;

  private constructor(options: ConsoleRelayOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  /** Opens the console socket. @throws ENVIRONMENT if that path cannot be used */
  static async start(options: ConsoleRelayOptions): Promise<ConsoleRelay> {
    const relay = new ConsoleRelay(options);
    await rm(options.consoleSocket, { force: true });
    await new Promise<void>((resolve, reject) => {
      relay.#server.once("error", (error) => {
        reject(
          new HomewardError("ENVIRONMENT", `cannot open the console socket ${options.consoleSocket}`, {
            cause: error,
          }),
        );
      });
      relay.#server.listen(options.consoleSocket, resolve);
    });
    relay.#server.on("error", (error) => {
      options.onViewerError?.(toHomewardError(error));
    });
    await chmod(options.consoleSocket, 0o600);
    return relay;
  }

  /** How many viewers are connected. */
  get viewers(): number {
    return this.#viewers.size;
  }

  /**
   * From now on tells `tap`, instead of the one before, of all input. Viewers do not notice.
   * @returns stops telling this tap; another that was attached since stays
   */
  attach(tap: InputTap): () => void {
    this.#tap = tap;
    return () => {
      if (this.#tap === tap) this.#tap = undefined;
    };
  }

  /**
   * Takes input that reaches the guest past this relay, from a viewer that is connected elsewhere, and tells the tap of it.
   * One or the other: what passes here is not to be told twice, so it is over when a viewer connects.
   * @param onEnded why it is over; not after `close`
   * @throws CONFLICT while viewers are connected here, or somebody else does this
   */
  capture(onEnded: (error: HomewardError) => void): CapturedInput {
    if (this.#viewers.size > 0 || this.#stopped)
      throw new HomewardError("CONFLICT", "a viewer is connected to the console, and what is done in it is recorded already", {
        hint: "Close it first.",
      });
    if (this.#captured !== undefined)
      throw new HomewardError("CONFLICT", "what is done in another window is being captured already");
    const { onPauseKey } = this.#options;
    const captured = new CapturedInput({
      tap: this.#telling(),
      pauseKey: onPauseKey === undefined ? null : new PauseKey(onPauseKey),
      onEnded,
      onClosed: () => {
        this.#captured = undefined;
      },
    });
    this.#captured = captured;
    return captured;
  }

  /**
   * Releases all keys and buttons that viewers hold, in the guest and for the tap, as if their users had let go.
   * @returns keys that are held in a viewer that is not connected here: for the tap they are released, in the guest they
   * are the caller's to release
   */
  releaseHeld(): readonly HeldKey[] {
    for (const viewer of this.#viewers) viewer.releaseHeld();
    return this.#captured?.releaseHeld() ?? [];
  }

  /** Cuts off all viewers and removes the socket. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#captured?.end(new HomewardError("CONFLICT", "the console was closed"));
    for (const viewer of this.#viewers) viewer.close();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const { vncSocket, onPauseKey, onViewerError } = this.#options;
    if (this.#viewers.size >= MAX_VIEWERS) {
      onViewerError?.(new HomewardError("CONFLICT", `the console has ${MAX_VIEWERS} viewers already`));
      socket.destroy();
      return;
    }
    this.#captured?.end(
      new HomewardError("CONFLICT", "a viewer was connected to the console: what is done there is recorded from now on"),
    );
    const pauseKey = onPauseKey === undefined ? null : new PauseKey(onPauseKey);
    const viewer = new ViewerConnection(socket, vncSocket, this.#held, this.#telling(), pauseKey, (left, error) => {
      this.#viewers.delete(viewer);
      this.#endLater(left);
      if (error !== undefined) onViewerError?.(error);
    });
    this.#viewers.add(viewer);
  }

  /**
   * When any connection ends QEMU releases every key, also those that others hold (ui/vnc.c, vnc_disconnect_finish). So those
   * of viewers that have gone stay open, idle, as long as others are there. Should there be too many, all keys are released
   * here first, and told to the tap: the log then holds what the guest gets.
   */
  #endLater(left: Socket | null): void {
    if (left !== null) {
      this.#left.add(left);
      left.once("close", () => this.#left.delete(left));
    }
    const [oldest] = this.#left;
    if (this.#viewers.size === 0) for (const socket of this.#left) socket.end();
    else if (oldest !== undefined && this.#left.size > MAX_LEFT) {
      this.releaseHeld();
      oldest.end();
      this.#left.delete(oldest);
    }
  }

  /** Whatever tap there is at the time. */
  #telling(): InputTap {
    return {
      key: (down, keysym, keycode) => this.#tap?.key(down, keysym, keycode),
      pointer: (x, y, buttons) => this.#tap?.pointer(x, y, buttons),
    };
  }
}
