import type { Duplex } from "node:stream";
import { abortReason } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { ProgressUpdate } from "../../common/progress.ts";
import { ByteCounter, frameBytes, isNumbered, type Frame, type FrameName } from "../../protocol/wire.ts";
import { decodeMessage, encodeMessage, type Message, type MessageName } from "../../protocol/wire/messages.ts";
import { abortPayload, type FrameChannel } from "./frame-channel.ts";
import { FrameQueue } from "./frame-queue.ts";
import { greet, type GreetOptions, type Greeted } from "./greeting.ts";
import { Outage } from "./outage.ts";
import { answerResume, reconnect } from "./reconnect.ts";
import { ResendBuffer } from "./resend-buffer.ts";
import { LINK_TIMES } from "./signs-of-life.ts";
import { unexpected } from "./unexpected.ts";
import { fromWireProgress } from "./wire-progress.ts";

/** Each time so much has come the other side is told, so that it need not keep it. */
const ACK_BYTES = 1024 * 1024;

export interface LinkOptions extends GreetOptions {
  /** Secret name that this side gives the link, so that it can be gone on with over another connection. */
  readonly session?: string;
}

/** What to do when the connection of a link is lost. */
export interface Patience {
  /** How long the link waits for another one. */
  readonly ms: number;
  /** How the other host is reached again; null where it has to come back by itself. */
  readonly connect: ((signal: AbortSignal) => Promise<Duplex>) | null;
  /** Told every second how long it waits, and null when it goes on. */
  readonly onOutage: (lastedMs: number | null) => void;
}

/**
 * An exchange with another host: frames both ways, in order and each once, with back-pressure in both directions and an exact
 * count of bytes. It has one connection, or, with patience (`outlast`), one after the other.
 */
export class PeerLink {
  /** Name the other host gave itself. */
  readonly peer: string;
  /** How far the other host's clock was ahead of this one's at its greeting, in milliseconds; null if unsaid. */
  readonly clockAheadMs: number | null;
  /** Its secret name; null if it cannot be gone on with. */
  readonly session: string | null;
  readonly bytes = new ByteCounter();
  /** Fires, with the reason, as soon as nothing more can be expected from this link. */
  readonly signal: AbortSignal;
  readonly #options: LinkOptions;
  readonly #failure = new AbortController();
  readonly #queue = new FrameQueue();
  readonly #pongs: PromiseWithResolvers<undefined>[] = [];
  /** Null while there is none. */
  #channel: FrameChannel | null = null;
  #patience: Patience | null = null;
  #kept: ResendBuffer | null = null;
  #outage: Outage | null = null;
  /** Numbered frames, each way, and how much of them came since that was last said. */
  #sent = 0;
  #received = 0;
  #unsaidBytes = 0;
  #onAck: (() => void)[] = [];
  #onProgress: ((update: ProgressUpdate) => void) | null = null;
  #onStopReplay: (() => void) | null = null;
  #closing = false;

  /** A link that begins with this connection. @param session its name, whoever gave it */
  constructor({ channel, hello, bytes }: Greeted, options: LinkOptions) {
    this.signal = this.#failure.signal;
    this.#options = options;
    this.peer = hello.host;
    this.session = options.session ?? null;
    this.clockAheadMs = hello.time === undefined ? null : Date.parse(hello.time) - Date.now();
    this.bytes.addControl(bytes);
    this.#use(channel);
  }

  /**
   * Greets the other side and waits for its greeting.
   * @throws PEER when something else than a Homeward host of this version is there, or nothing answers
   */
  static async open(stream: Duplex, options: LinkOptions): Promise<PeerLink> {
    const { session } = options;
    return new PeerLink(await greet(stream, options, session === undefined ? {} : { session }), options);
  }

  /** Whether what was sent already waits for the other side. */
  get isFull(): boolean {
    return this.#channel?.isFull ?? true;
  }

  get isConnected(): boolean {
    return this.#channel !== null;
  }

  /** Where progress messages of the other side go; they are never received as frames. */
  set onProgress(listener: ((update: ProgressUpdate) => void) | null) {
    this.#onProgress = listener;
  }

  /** Called when the other side does not want to wait for a replay any longer; it may say so several times. */
  set onStopReplay(listener: (() => void) | null) {
    this.#onStopReplay = listener;
  }

  /** From now on a lost connection does not end this link. Both sides do so at the same frame. */
  outlast(patience: Patience): void {
    this.#patience = patience;
    this.#kept = new ResendBuffer(this.#sent);
  }

  /** From now on the link ends with its connection, and at once if there is none. */
  endWithConnection(): void {
    this.#patience = null;
    this.#kept = null;
    if (this.#channel === null) this.#fail(this.#vanished());
    this.#wakeSenders();
  }

  /**
   * Goes on over a connection that the other host made for this; the one before is dropped.
   * @param theirs numbered frames that it says came
   * @throws PEER if that cannot be; the link is as it was then
   */
  goOnOver(greeted: Greeted, theirs: number): void {
    if (this.#kept === null || this.#closing || this.signal.aborted) throw new HomewardError("PEER", "that exchange is over");
    this.#kept.acknowledge(theirs);
    this.bytes.addControl(answerResume(greeted, this.#received));
    this.#goOn(greeted.channel);
  }

  /** Sends a message; resolves when the stream takes more. @throws the reason of `signal` once the link is gone */
  async send<N extends MessageName>(name: N, message: Message<N>): Promise<void> {
    await this.sendBytes(name, encodeMessage(name, message));
  }

  /** Sends a frame with a binary payload (or none); resolves when the stream takes more. */
  async sendBytes(name: FrameName, payload: Uint8Array = new Uint8Array(0)): Promise<void> {
    this.#throwIfGone();
    const numbered = isNumbered(name);
    if (numbered) {
      this.#sent++;
      this.#kept?.add({ name, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength) });
    }
    // It is counted once, however often it has to be sent; what is not numbered is not kept for another connection.
    if (numbered || this.#channel !== null) this.bytes.add(name, payload.length);
    if (this.#channel?.write(name, payload) === false) await this.#channel.drained();
    this.#throwIfGone();
    while (this.#kept?.isFull === true) {
      await new Promise<void>((resolve) => this.#onAck.push(resolve));
      this.#throwIfGone();
    }
  }

  #throwIfGone(): void {
    if (this.signal.aborted) throw abortReason(this.signal);
  }

  /** Sends something about the link itself, if there is a connection. */
  #say(name: FrameName, payload: Uint8Array = new Uint8Array(0)): void {
    if (this.#channel?.isOpen !== true) return;
    this.bytes.add(name, payload.length);
    this.#channel.write(name, payload);
  }

  /** The next frame. @throws the reason of `signal` once the link is gone and everything that came was taken */
  async receive(): Promise<Frame> {
    for (;;) {
      const frame = this.#queue.take();
      if (frame !== null) {
        if (this.#queue.hasRoom) this.#channel?.resume();
        return frame;
      }
      this.#throwIfGone();
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

  /**
   * Round trip in milliseconds, counted from when the ping was handed to the stream behind everything before it.
   * @throws PEER when the connection is lost meanwhile
   */
  async ping(): Promise<number> {
    const sent = performance.now();
    const pong = Promise.withResolvers<undefined>();
    pong.promise.catch(() => undefined);
    this.#pongs.push(pong);
    if (this.#channel === null) this.#endPings();
    await this.sendBytes("ping");
    await pong.promise;
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
    if (!this.signal.aborted && !this.#closing) this.#say("abort", abortPayload(thrown));
    this.#fail(thrown);
    await this.close();
  }

  /** Hands over what was sent and closes; resolves when the connection is gone. Never throws. */
  async close(): Promise<void> {
    if (!this.#closing && !this.signal.aborted && this.#kept !== null) this.#say("bye");
    this.#closing = true;
    const channel = this.#channel;
    await channel?.close();
    this.#fail(this.#vanished());
  }

  #use(channel: FrameChannel): void {
    this.#channel = channel;
    channel.onIdle = () => {
      if (!this.#closing) this.#say("ping");
    };
    channel.listen({
      onFrame: (frame) => {
        if (channel === this.#channel) this.#take(frame);
      },
      onGarbage: (error) => void this.abort(error),
      onEnd: (error) => {
        if (channel === this.#channel) this.#lost(error);
      },
    });
    if (this.#queue.isFull) channel.pause();
  }

  #take(frame: Frame): void {
    this.bytes.add(frame.name, frame.payload.length);
    if (this.#closing || this.signal.aborted) return;
    try {
      if (isNumbered(frame.name)) this.#enqueue(frame);
      else this.#hear(frame);
    } catch (error) {
      void this.abort(error);
    }
  }

  #enqueue(frame: Frame): void {
    this.#received++;
    this.#queue.push(frame);
    if (this.#queue.isFull) this.#channel?.pause();
    this.#unsaidBytes += frameBytes(frame.payload.length);
    if (this.#kept === null || this.#unsaidBytes < ACK_BYTES) return;
    this.#unsaidBytes = 0;
    const count = Buffer.alloc(4);
    count.writeUInt32BE(this.#received);
    this.#say("ack", count);
  }

  /** Something about the link itself. */
  #hear({ name, payload }: Frame): void {
    switch (name) {
      case "ping":
        this.#say("pong");
        return;
      case "pong":
        this.#pongs.shift()?.resolve(undefined);
        return;
      case "progress":
        this.#onProgress?.(fromWireProgress(decodeMessage("progress", payload)));
        return;
      case "stopReplay":
        this.#onStopReplay?.();
        return;
      case "ack":
        if (payload.length !== 4) throw unexpected("ack", "a count", this.peer);
        this.#kept?.acknowledge(payload.readUInt32BE(0));
        this.#wakeSenders();
        return;
      case "bye":
        this.endWithConnection();
        return;
      case "abort": {
        const { code, message, hint } = decodeMessage("abort", payload);
        // What is said there of "this computer" would be taken for this one here.
        const told = code === "CANCELLED" || message.includes(this.peer) ? message : `${this.peer}: ${message}`;
        this.#fail(new HomewardError(code, told, { data: { host: this.peer }, ...(hint === null ? {} : { hint }) }));
        void this.close();
        return;
      }
      default:
        throw unexpected(name, "something else", this.peer);
    }
  }

  /** The connection is gone: the end of the link, unless it has patience. */
  #lost(cause: HomewardError): void {
    const patience = this.#patience;
    if (patience === null || this.#closing || this.signal.aborted) {
      this.#fail(cause);
      return;
    }
    this.#channel?.destroy();
    this.#channel = null;
    this.#endPings();
    const outage = new Outage({
      peer: this.peer,
      patienceMs: patience.ms,
      cause,
      onTick: patience.onOutage,
      onEnough: (error) => {
        this.#fail(error);
      },
    });
    this.#outage = outage;
    this.#reconnect(patience, outage);
  }

  /** Where this side is the one that connects. */
  #reconnect({ connect }: Patience, outage: Outage): void {
    const { peer, session } = this;
    if (connect === null || session === null || outage.signal.aborted) return;
    const { host, times = LINK_TIMES } = this.#options;
    reconnect({ host, peer, session, received: this.#received, times, connect, signal: outage.signal })
      .then(({ channel, received, bytes }) => {
        if (outage.signal.aborted || this.signal.aborted) {
          channel.destroy();
          return;
        }
        this.#kept?.acknowledge(received);
        this.bytes.addControl(bytes);
        this.#goOn(channel);
      })
      .catch((error: unknown) => {
        if (!outage.signal.aborted) this.#fail(error);
      });
  }

  /** What the other side does not have is sent again, and then all goes on as before. */
  #goOn(channel: FrameChannel): void {
    this.#channel?.destroy();
    this.#outage?.end();
    this.#outage = null;
    this.#unsaidBytes = 0;
    this.#endPings();
    for (const { name, payload } of this.#kept?.frames ?? []) channel.write(name, payload);
    this.#wakeSenders();
    this.#patience?.onOutage(null);
    this.#use(channel);
  }

  #wakeSenders(): void {
    for (const wake of this.#onAck.splice(0)) wake();
  }

  #endPings(): void {
    for (const pong of this.#pongs.splice(0)) pong.reject(this.#vanished());
  }

  #fail(thrown: unknown): void {
    this.#outage?.end();
    if (!this.#failure.signal.aborted) this.#failure.abort(toHomewardError(thrown));
    this.#queue.wake();
    this.#wakeSenders();
    this.#endPings();
  }

  #vanished(): HomewardError {
    return new HomewardError("PEER", `${this.peer} closed the connection`);
  }
}
