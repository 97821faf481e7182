import type { Duplex } from "node:stream";
import { abortReason } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { FrameParser, frameHeader, type Frame, type FrameName } from "../../protocol/wire.ts";
import { encodeMessage } from "../../protocol/wire/messages.ts";
import { SignsOfLife, type LinkTimes } from "./signs-of-life.ts";

/** How long a connection that is being closed may take to hand over its last bytes. */
const CLOSE_MS = 10_000;

export interface ChannelListener {
  readonly onFrame: (frame: Frame) => void;
  /** What came is no frame. Called at most once, and `onEnd` may follow. */
  readonly onGarbage: (error: HomewardError) => void;
  /** Nothing more comes: it was closed, broke, or the other host is silent. Called once. */
  readonly onEnd: (error: HomewardError) => void;
}

/**
 * So much of a frame that is not complete is a sign of life. What is less may be the other side's pings, taken for the rest of a
 * frame whose length was damaged: it would never be complete, and neither side would ever learn of it.
 */
const LIFE_BYTES = 16 * 1024;

/** One connection: frames on any duplex stream, signs of life, and an end that is told once. Knows no order of frames. */
export class FrameChannel {
  /** Name of the other host for messages; empty before its greeting. */
  peer = "";
  readonly #stream: Duplex;
  readonly #parser = new FrameParser();
  readonly #life: SignsOfLife;
  #listener: ChannelListener | null = null;
  /** What came while nobody listened. */
  readonly #early: Frame[] = [];
  #garbage: HomewardError | null = null;
  #end: HomewardError | null = null;
  #wake: (() => void)[] = [];
  /** That came since the last frame, or since as many counted as a sign of life. */
  #unfinishedBytes = 0;

  constructor(stream: Duplex, times: LinkTimes) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#received(chunk);
    });
    stream.on("error", (cause) => {
      this.#ended(new HomewardError("PEER", `the connection to ${this.name} broke: ${cause.message}`, { cause }));
    });
    stream.on("end", () => {
      this.#finished();
    });
    stream.on("close", () => {
      this.#ended(this.#vanished());
    });
    this.#life = new SignsOfLife({
      times,
      onIdle: () => {
        // With bytes still waiting to go out there is no need for a ping, and no use in one.
        if (this.#stream.writable && !this.isFull) this.#onIdle();
      },
      onDead: () => {
        this.#ended(new HomewardError("PEER", `${this.name} gave no sign of life for ${times.deadMs / 1000} s`));
        stream.destroy();
      },
      isReading: () => !stream.isPaused(),
    });
  }

  /** Called when nothing was sent for long. */
  #onIdle: () => void = () => undefined;
  set onIdle(ping: () => void) {
    this.#onIdle = ping;
  }

  get name(): string {
    return this.peer === "" ? "the other host" : this.peer;
  }

  /** Whether what was sent already waits for the other side. */
  get isFull(): boolean {
    return this.#stream.writableNeedDrain;
  }

  get isOpen(): boolean {
    return this.#end === null && this.#stream.writable;
  }

  /** False when the stream has enough for now. */
  write(name: FrameName, payload: Uint8Array): boolean {
    this.#life.said();
    this.#stream.cork();
    this.#stream.write(frameHeader(name, payload.length));
    const more = payload.length === 0 || this.#stream.write(payload);
    this.#stream.uncork();
    return more && !this.isFull;
  }

  /** Resolves when the stream takes more, and also when it will not any more. */
  async drained(): Promise<void> {
    while (this.#end === null && this.isFull)
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        this.#stream.once("drain", resolve);
      });
  }

  /** From now on frames go to `listener`, those first that came before. */
  listen(listener: ChannelListener): void {
    this.#listener = listener;
    for (const frame of this.#early.splice(0)) listener.onFrame(frame);
    if (this.#garbage !== null) listener.onGarbage(this.#garbage);
    if (this.#end !== null) listener.onEnd(this.#end);
    else this.resume();
  }

  /** The next frame, as long as nobody listens. @throws what ended the channel, or the signal's reason */
  async next(signal?: AbortSignal): Promise<Frame> {
    const onAbort = (): void => {
      this.#wakeAll();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        const frame = this.#early.shift();
        if (frame !== undefined) return frame;
        if (signal?.aborted === true) throw abortReason(signal);
        if (this.#garbage !== null) throw this.#garbage;
        if (this.#end !== null) throw this.#end;
        this.resume();
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#stream.isPaused()) return;
    this.#life.heard();
    this.#stream.resume();
  }

  #heard(): void {
    this.#unfinishedBytes = 0;
    this.#life.heard();
  }

  /** Nothing of it is heard any more. */
  destroy(): void {
    this.#listener = null;
    this.#ended(this.#vanished());
    this.#stream.destroy();
  }

  /** Says why nothing comes of it, and closes. Never throws. */
  async refuse(thrown: unknown): Promise<void> {
    if (this.isOpen) this.write("abort", abortPayload(thrown));
    await this.close();
  }

  /** Hands over what was sent and closes; resolves when the stream is gone. Never throws. */
  async close(): Promise<void> {
    if (!this.#stream.closed)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => this.#stream.destroy(), CLOSE_MS);
        this.#stream.once("close", () => {
          clearTimeout(timer);
          resolve();
        });
        // Nobody takes what still comes, but the other side's end is only seen when it is read.
        this.#stream.resume();
        this.#stream.end();
      });
    this.#ended(this.#vanished());
  }

  #received(chunk: Buffer): void {
    this.#unfinishedBytes += chunk.length;
    if (this.#unfinishedBytes >= LIFE_BYTES) this.#heard();
    if (this.#end !== null || this.#garbage !== null) return;
    try {
      for (const frame of this.#parser.push(chunk)) {
        this.#heard();
        if (this.#listener === null) this.#early.push(frame);
        else this.#listener.onFrame(frame);
      }
    } catch (error) {
      this.#garbage = toHomewardError(error);
      this.#listener?.onGarbage(this.#garbage);
    }
    if (this.#listener === null && this.#early.length > 0) this.pause();
    this.#wakeAll();
  }

  #finished(): void {
    try {
      this.#parser.end();
    } catch (error) {
      this.#ended(toHomewardError(error));
    }
    this.#ended(this.#vanished());
    this.#stream.end();
  }

  #ended(error: HomewardError): void {
    this.#life.stop();
    if (this.#end === null) {
      this.#end = error;
      this.#listener?.onEnd(error);
    }
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #vanished(): HomewardError {
    const hint = "Is this host known there? homeward hosts shows there whom it sent away.";
    return new HomewardError("PEER", `${this.name} closed the connection`, this.peer === "" ? { hint } : {});
  }
}

/** What the other host is told of an error. */
export function abortPayload(thrown: unknown): Buffer {
  const { code, message, hint } = toHomewardError(thrown);
  return encodeMessage("abort", { code, message: message.slice(0, 4000), hint: hint?.slice(0, 1000) ?? null });
}
