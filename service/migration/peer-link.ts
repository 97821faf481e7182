import type { Duplex } from "node:stream";
import { abortReason } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { ProgressUpdate } from "../../common/progress.ts";
import {
  ByteCounter,
  FrameParser,
  WIRE_MAGIC,
  WIRE_VERSION,
  frameHeader,
  type Frame,
  type FrameName,
} from "../../protocol/wire.ts";
import { decodeMessage, encodeMessage, type Message, type MessageName } from "../../protocol/wire/messages.ts";
import { drained } from "./drained.ts";
import { FrameQueue } from "./frame-queue.ts";
import { LINK_TIMES, SignsOfLife, type LinkTimes } from "./signs-of-life.ts";
import { unexpected } from "./unexpected.ts";
import { fromWireProgress } from "./wire-progress.ts";

/** How long a link that is being closed may take to hand over its last bytes. */
const CLOSE_MS = 10_000;

export interface LinkOptions {
  /** Name of this host, as the greeting gives it. */
  readonly host: string;
  readonly signal?: AbortSignal;
  readonly times?: LinkTimes;
}

/**
 * One connection to another host, on any duplex stream: frames both ways, greeting, back-pressure in both directions,
 * signs of life, and an exact count of its bytes.
 */
export class PeerLink {
  /** Name the other host gave itself. */
  peer = "";
  /** How far the other host's clock was ahead of this one's at its greeting, in milliseconds; null if unsaid. */
  clockAheadMs: number | null = null;
  readonly bytes = new ByteCounter();
  /** Fires, with the reason, as soon as nothing more can be expected from this link. */
  readonly signal: AbortSignal;
  readonly #failure = new AbortController();
  readonly #stream: Duplex;
  readonly #parser = new FrameParser();
  readonly #queue = new FrameQueue();
  readonly #life: SignsOfLife;
  readonly #pongs: (() => void)[] = [];
  #onProgress: ((update: ProgressUpdate) => void) | null = null;
  #closing = false;

  private constructor(stream: Duplex, times: LinkTimes) {
    this.signal = this.#failure.signal;
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#received(chunk);
    });
    stream.on("error", (error) => {
      this.#fail(new HomewardError("PEER", `the connection to ${this.#name()} broke: ${error.message}`, { cause: error }));
    });
    stream.on("end", () => {
      this.#ended();
    });
    stream.on("close", () => {
      this.#fail(this.#vanished());
    });
    this.#life = new SignsOfLife({
      times,
      onIdle: () => {
        this.#pingIdle();
      },
      onDead: () => {
        this.#fail(new HomewardError("PEER", `${this.#name()} gave no sign of life for ${times.deadMs / 1000} s`));
        stream.destroy();
      },
      isReading: () => !stream.isPaused(),
    });
  }

  /**
   * Greets the other side and waits for its greeting.
   * @throws PEER when something else than a Homeward host of this version is there, or nothing answers
   */
  static async open(stream: Duplex, options: LinkOptions): Promise<PeerLink> {
    const link = new PeerLink(stream, options.times ?? LINK_TIMES);
    const keepOn = options.signal === undefined ? null : link.endOn(options.signal);
    try {
      await link.send("hello", { magic: WIRE_MAGIC, version: WIRE_VERSION, host: options.host, time: new Date().toISOString() });
      const hello = await link.expect("hello");
      link.peer = hello.host;
      if (hello.time !== undefined) link.clockAheadMs = Date.parse(hello.time) - Date.now();
      if (hello.version !== WIRE_VERSION)
        throw new HomewardError("PEER", `${hello.host} speaks version ${hello.version} of the protocol, not ${WIRE_VERSION}`, {
          hint: "Update Homeward on the host with the lower version.",
        });
      return link;
    } catch (error) {
      // Not waited for: something else than a Homeward host may never close its side.
      void link.abort(error);
      throw error;
    } finally {
      keepOn?.();
    }
  }

  /** Whether what was sent already waits for the other side. */
  get isFull(): boolean {
    return this.#stream.writableNeedDrain;
  }

  /** Where progress messages of the other side go; they are never received as frames. */
  set onProgress(listener: ((update: ProgressUpdate) => void) | null) {
    this.#onProgress = listener;
  }

  /** Sends a message; resolves when the stream takes more. @throws the reason of `signal` once the link is gone */
  async send<N extends MessageName>(name: N, message: Message<N>): Promise<void> {
    await this.sendBytes(name, encodeMessage(name, message));
  }

  /** Sends a frame with a binary payload (or none); resolves when the stream takes more. */
  async sendBytes(name: FrameName, payload: Uint8Array = new Uint8Array(0)): Promise<void> {
    if (this.signal.aborted) throw abortReason(this.signal);
    if (!this.#write(name, payload)) await drained(this.#stream, this.signal);
  }

  #write(name: FrameName, payload: Uint8Array): boolean {
    this.#life.said();
    this.bytes.add(name, payload.length);
    this.#stream.cork();
    this.#stream.write(frameHeader(name, payload.length));
    const more = payload.length === 0 || this.#stream.write(payload);
    this.#stream.uncork();
    return more && !this.#stream.writableNeedDrain;
  }

  /** The next frame. @throws the reason of `signal` once the link is gone and everything that came was taken */
  async receive(): Promise<Frame> {
    for (;;) {
      const frame = this.#queue.take();
      if (frame !== null) {
        if (this.#queue.hasRoom && this.#stream.isPaused()) {
          this.#life.heard();
          this.#stream.resume();
        }
        return frame;
      }
      if (this.signal.aborted) throw abortReason(this.signal);
      await this.#queue.changed();
    }
  }

  /** The next frame, which must be the message `name`. @throws PEER if it is another */
  async expect<N extends MessageName>(name: N): Promise<Message<N>> {
    return decodeMessage(name, await this.expectFrame(name));
  }

  /** The next frame, which must be `name`. @throws PEER if it is another */
  async expectFrame(name: FrameName): Promise<Buffer> {
    const frame = await this.receive();
    if (frame.name !== name) throw unexpected(frame.name, name, this.peer);
    return frame.payload;
  }

  /** Payloads of the frames `name` up to a frame `end`, whose payload is returned. */
  async *stream(name: FrameName, end: FrameName): AsyncGenerator<Buffer, Buffer> {
    for (;;) {
      const frame = await this.receive();
      if (frame.name === end) return frame.payload;
      if (frame.name !== name) throw unexpected(frame.name, name, this.peer);
      yield frame.payload;
    }
  }

  /** Round trip in milliseconds, counted from when the ping was handed to the stream behind everything before it. */
  async ping(): Promise<number> {
    const sent = performance.now();
    const answered = new Promise<void>((resolve) => this.#pongs.push(resolve));
    await this.sendBytes("ping");
    await answered;
    if (this.signal.aborted) throw abortReason(this.signal);
    return performance.now() - sent;
  }

  /** From now on the link ends, telling the other side, when `signal` fires. Returns what undoes this. */
  endOn(signal: AbortSignal): () => void {
    const onAbort = (): void => {
      void this.abort(abortReason(signal));
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    return () => {
      signal.removeEventListener("abort", onAbort);
    };
  }

  /** Tells the other side why this ends, and closes. Never throws. */
  async abort(thrown: unknown): Promise<void> {
    const error = toHomewardError(thrown);
    if (!this.signal.aborted && !this.#closing && this.#stream.writable)
      this.#write(
        "abort",
        encodeMessage("abort", {
          code: error.code,
          message: error.message.slice(0, 4000),
          hint: error.hint?.slice(0, 1000) ?? null,
        }),
      );
    this.#fail(error);
    await this.close();
  }

  /** Hands over what was sent and closes; resolves when the stream is gone. Never throws. */
  async close(): Promise<void> {
    this.#closing = true;
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
    this.#fail(this.#vanished());
  }

  #received(chunk: Buffer): void {
    this.#life.heard();
    if (this.signal.aborted) return;
    try {
      for (const frame of this.#parser.push(chunk)) {
        this.bytes.add(frame.name, frame.payload.length);
        if (!this.#closing) this.#dispatch(frame);
      }
    } catch (error) {
      void this.abort(error);
      return;
    }
    if (this.#queue.isFull && !this.#closing) this.#stream.pause();
  }

  #dispatch(frame: Frame): void {
    switch (frame.name) {
      case "ping":
        if (!this.signal.aborted) this.#write("pong", new Uint8Array(0));
        return;
      case "pong":
        this.#pongs.shift()?.();
        return;
      case "progress":
        this.#onProgress?.(fromWireProgress(decodeMessage("progress", frame.payload)));
        return;
      case "abort": {
        const { code, message, hint } = decodeMessage("abort", frame.payload);
        // What is said there of "this computer" would be taken for this one here.
        const told = code === "CANCELLED" || message.includes(this.peer) ? message : `${this.#name()}: ${message}`;
        this.#fail(new HomewardError(code, told, { data: { host: this.peer }, ...(hint === null ? {} : { hint }) }));
        void this.close();
        return;
      }
      default:
        this.#queue.push(frame);
    }
  }

  #ended(): void {
    try {
      this.#parser.end();
    } catch (error) {
      this.#fail(error);
    }
    this.#fail(this.#vanished());
    if (!this.#closing) this.#stream.end();
  }

  #pingIdle(): void {
    // With bytes still waiting to go out there is no need for a ping, and no use in one.
    if (!this.#closing && this.#stream.writable && !this.isFull) this.#write("ping", new Uint8Array(0));
  }

  #fail(thrown: unknown): void {
    this.#life.stop();
    if (!this.#failure.signal.aborted) this.#failure.abort(toHomewardError(thrown));
    this.#queue.wake();
    for (const pong of this.#pongs.splice(0)) pong();
  }

  #vanished(): HomewardError {
    const hint = "Is this host known there? homeward hosts shows there whom it sent away.";
    return new HomewardError("PEER", `${this.#name()} closed the connection`, this.peer === "" ? { hint } : {});
  }

  #name(): string {
    return this.peer === "" ? "the other host" : this.peer;
  }
}
