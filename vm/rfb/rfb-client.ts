import { connect, type Socket } from "node:net";
import { abortable, withTimeout } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import {
  ENCODING,
  extendedKeyEvent,
  framebufferUpdateRequest,
  keyEvent,
  pointerEvent,
  setEncodings,
  setPixelFormatRgbx,
} from "./client-messages.ts";
import { Framebuffer, type Rect } from "./framebuffer.ts";
import { serverMessages, type ServerSink } from "./server-messages.ts";
import { StepwiseParser } from "./stepwise-parser.ts";
import { UpdatePacer } from "./update-pacer.ts";

export interface RfbClientOptions {
  readonly signal?: AbortSignal;
  /** RFC 6143 7.3.1; false asks the server to throw out everybody else. Default true. */
  readonly shared?: boolean;
  /** Keeps the display from falling asleep by `wakeDisplay` this often, in milliseconds. Default: never. */
  readonly wakeEveryMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A server that has stopped reading has this much queued for it before it is given up. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/**
 * A VNC viewer without a window: keeps a copy of the guest's screen and sends keys and pointer events (RFC 6143).
 *
 * QEMU looks for changes on a timer that it slows down while nothing changes: every look without a change adds 50 ms to
 * the interval, up to 3 s, and a change halves it (ui/vnc.c, vnc_refresh). The interval belongs to the display, so all
 * viewers see equally late. Any client message of a type above 3 sets it back to 30 ms and makes QEMU look at once
 * (protocol_client_msg): key and pointer events do, update requests and QMP's input-send-event do not.
 */
export class RfbClient {
  readonly frame = new Framebuffer();
  readonly #socket: Socket;
  readonly #updateListeners = new Set<(rects: Rect[]) => void>();
  readonly #closeListeners = new Set<(error?: Error) => void>();
  readonly #pacer: UpdatePacer;
  #extendedKeys = false;
  #failure: Error | undefined;
  #closed = false;
  #wakeTimer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#pacer = new UpdatePacer(() => {
      this.#send(framebufferUpdateRequest(true, this.frame.width, this.frame.height));
    });
  }

  /**
   * Connects to a VNC server on a unix socket; resolves when the first whole picture has arrived.
   * @throws NOT_FOUND if there is no such socket, GUEST if the server does not keep to the protocol, TIMEOUT, CANCELLED
   */
  static async connect(socketPath: string, options: RfbClientOptions = {}): Promise<RfbClient> {
    const client = new RfbClient(connect({ path: socketPath }));
    try {
      const ready = client.#start(options.shared ?? true);
      await withTimeout(abortable(ready, options.signal), CONNECT_TIMEOUT_MS, "the virtual machine's display");
    } catch (error) {
      client.close();
      throw toHomewardError(error);
    }
    if (options.wakeEveryMs !== undefined) {
      client.#wakeTimer = setInterval(() => {
        client.wakeDisplay();
      }, options.wakeEveryMs);
      client.#wakeTimer.unref();
    }
    return client;
  }

  /** Pixels. */
  get width(): number {
    return this.frame.width;
  }

  get height(): number {
    return this.frame.height;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Called after each framebuffer update with what it changed. @returns unsubscribe */
  onUpdate(callback: (rects: Rect[]) => void): () => void {
    this.#updateListeners.add(callback);
    return () => {
      this.#updateListeners.delete(callback);
    };
  }

  /** Called once, with the error unless `close` was called; at once if that has happened already. @returns unsubscribe */
  onClose(callback: (error?: Error) => void): () => void {
    if (this.#closed) callback(this.#failure);
    else this.#closeListeners.add(callback);
    return () => {
      this.#closeListeners.delete(callback);
    };
  }

  /**
   * Presses or releases a key.
   * @param keysym X11 keysym
   * @param keycode XT scan code, 0xe0-prefixed ones with bit 7 set; 0 lets the server guess it from the keysym
   */
  key(down: boolean, keysym: number, keycode: number): void {
    const extended = this.#extendedKeys && keycode !== 0;
    this.#send(extended ? extendedKeyEvent(down, keysym, keycode) : keyEvent(down, keysym));
  }

  /** Moves the pointer to (x, y) in pixels with these buttons held (RFC 6143 7.5.5: 1 left, 2 middle, 4 right). */
  pointer(x: number, y: number, buttons: number): void {
    this.#send(pointerEvent(x, y, buttons));
  }

  /**
   * Makes QEMU look for changes now, without the guest noticing: the release of a key that is not pressed, which QEMU
   * drops before the guest's keyboard (ui/kbd-state.c). Scan code 0 is no key.
   */
  wakeDisplay(): void {
    this.#send(this.#extendedKeys ? extendedKeyEvent(false, 0, 0) : keyEvent(false, 0));
  }

  close(): void {
    this.#end(undefined);
  }

  #start(shared: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const sink: ServerSink = {
        frame: this.frame,
        send: (message) => {
          this.#send(message);
        },
        initialised: () => {
          this.#send(setPixelFormatRgbx());
          const { raw, copyRect, desktopSize, lastRect, qemuExtendedKey } = ENCODING;
          this.#send(setEncodings([copyRect, raw, desktopSize, lastRect, qemuExtendedKey]));
          this.#send(framebufferUpdateRequest(false, this.frame.width, this.frame.height));
        },
        updated: (rects, bytes) => {
          this.#updated(rects, bytes);
          if (rects.length > 0) resolve();
        },
        extendedKeysOffered: () => {
          this.#extendedKeys = true;
        },
      };
      const parser = new StepwiseParser(serverMessages(sink, shared));
      this.#socket.on("data", (chunk: Buffer) => {
        try {
          parser.push(chunk);
        } catch (error) {
          this.#end(toHomewardError(error));
        }
      });
      this.#socket.on("error", (error) => {
        this.#end(toHomewardError(error));
      });
      this.#socket.on("close", () => {
        this.#end(new HomewardError("GUEST", "the virtual machine's display has gone"));
      });
      this.onClose((error) => {
        reject(error ?? new HomewardError("CANCELLED", "the display connection was closed"));
      });
    });
  }

  #updated(rects: Rect[], bytes: number): void {
    // Answers to SetEncodings come as updates without pixels; they do not answer a request.
    if (rects.length === 0) return;
    this.#pacer.received(bytes);
    for (const listener of this.#updateListeners) listener(rects);
  }

  #send(message: Buffer): void {
    if (this.#closed) return;
    this.#socket.write(message);
    if (this.#socket.writableLength > MAX_UNSENT_BYTES)
      this.#end(new HomewardError("TIMEOUT", "the virtual machine's display takes no input any more"));
  }

  #end(failure: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = failure;
    clearInterval(this.#wakeTimer);
    this.#pacer.stop();
    // Sent events still go out; what the server has to say no longer matters.
    this.#socket.removeAllListeners("data");
    if (failure === undefined && !this.#socket.connecting) this.#socket.destroySoon();
    else this.#socket.destroy();
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    this.#updateListeners.clear();
    for (const listener of listeners) listener(failure);
  }
}
