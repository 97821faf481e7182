import { connect, type Socket } from "node:net";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { extendedKeyEvent, keyEvent, pointerEvent } from "../vm/rfb/client-messages.ts";
import { StepwiseParser } from "../vm/rfb/stepwise-parser.ts";
import { viewerMessages } from "../vm/rfb/viewer-messages.ts";
import type { HeldInput } from "./held-input.ts";
import type { PauseKey } from "./pause-key.ts";

/** Told of each input event just after it was sent on to the guest. */
export interface InputTap {
  key(down: boolean, keysym: number, keycode: number): void;
  pointer(x: number, y: number, buttons: number): void;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * One viewer of the console and its own connection to QEMU. What QEMU says is passed on unread, what the viewer says is
 * read message by message, sent on at once, and then told to the tap.
 */
export class ViewerConnection {
  readonly #viewer: Socket;
  readonly #server: Socket;
  readonly #held: HeldInput;
  readonly #tap: InputTap;
  readonly #pauseKey: PauseKey | null;
  readonly #onClosed: (left: Socket | null, error: HomewardError | undefined) => void;
  #failure: HomewardError | undefined;
  #closed = false;

  /** @param onClosed gets the connection to QEMU if it is still open, to be ended when that harms nobody */
  constructor(
    viewer: Socket,
    vncSocket: string,
    held: HeldInput,
    tap: InputTap,
    pauseKey: PauseKey | null,
    onClosed: (left: Socket | null, error: HomewardError | undefined) => void,
  ) {
    this.#viewer = viewer;
    this.#held = held;
    this.#tap = tap;
    this.#pauseKey = pauseKey;
    this.#onClosed = onClosed;
    this.#server = connect({ path: vncSocket });
    this.#server.pipe(viewer);
    this.#server.on("error", (error) => {
      this.#failure ??= toHomewardError(error);
    });
    this.#server.on("close", () => {
      this.#serverGone();
    });
    this.#listenToViewer();
  }

  /** Ends the connection; the viewer still gets what was on its way. */
  close(): void {
    this.#viewer.destroySoon();
  }

  /** Releases the keys that this viewer alone holds, and its buttons, in the guest and for the tap. */
  releaseHeld(): void {
    for (const { keysym, keycode } of this.#held.releaseKeys(this)) {
      this.#server.write(keycode === 0 ? keyEvent(false, keysym) : extendedKeyEvent(false, keysym, keycode));
      this.#tap.key(false, keysym, keycode);
    }
    const pointer = this.#held.releaseButtons(this);
    if (pointer === undefined) return;
    this.#server.write(pointerEvent(pointer.x, pointer.y, 0));
    this.#tap.pointer(pointer.x, pointer.y, pointer.buttons);
  }

  #listenToViewer(): void {
    let inputSeen = false;
    const parser = new StepwiseParser(
      viewerMessages({
        forward: (bytes) => {
          this.#server.write(bytes);
        },
        swallows: (down, keysym) => this.#pauseKey?.swallows(down, keysym) ?? false,
        key: (down, keysym, keycode) => {
          this.#held.key(this, down, keysym, keycode);
          this.#tap.key(down, keysym, keycode);
        },
        pointer: (x, y, buttons) => {
          this.#tap.pointer(x, y, this.#held.pointer(this, x, y, buttons));
        },
      }),
    );
    this.#viewer.setTimeout(HANDSHAKE_TIMEOUT_MS, () => {
      if (!inputSeen) this.#refuse(new HomewardError("PEER", "a viewer of the console never said hello"));
    });
    this.#viewer.on("data", (chunk: Buffer) => {
      inputSeen = true;
      try {
        parser.push(chunk);
      } catch (error) {
        this.#refuse(toHomewardError(error));
        return;
      }
      if (this.#server.writableNeedDrain) this.#viewer.pause();
    });
    this.#server.on("drain", () => {
      this.#viewer.resume();
    });
    this.#viewer.on("error", (error) => {
      this.#failure ??= toHomewardError(error);
    });
    this.#viewer.on("close", () => {
      this.#viewerGone();
    });
  }

  #refuse(error: HomewardError): void {
    this.#failure ??= error;
    this.#viewer.destroy();
  }

  /** What it holds is released here, and told to the tap: QEMU would leave its buttons pressed for ever. */
  #viewerGone(): void {
    if (this.#closed) return;
    const isLeft = this.#server.writable;
    if (isLeft) {
      this.releaseHeld();
      this.#server.unpipe(this.#viewer);
      this.#server.resume();
    }
    this.#ended(isLeft ? this.#server : null);
  }

  #serverGone(): void {
    if (this.#closed) return;
    this.#held.releaseKeys(this);
    this.#held.releaseButtons(this);
    // Pipe has ended the viewer if QEMU closed in good order; after an error it has not.
    this.#viewer.destroySoon();
    this.#ended(null);
  }

  #ended(left: Socket | null): void {
    this.#closed = true;
    this.#onClosed(left, this.#failure);
  }
}
