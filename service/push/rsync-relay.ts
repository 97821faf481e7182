import type { Writable } from "node:stream";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { RSYNC_PIECE_BYTES, frameBytes } from "../../protocol/wire.ts";
import { drained } from "../migration/drained.ts";
import type { PeerLink } from "../migration/peer-link.ts";
import type { RsyncProcess } from "./rsync-process.ts";

export interface RelayOptions {
  /** Length of the file: how much may be said about it, and how long next to nothing, follows from it. */
  readonly fileBytes: number;
  readonly signal: AbortSignal;
  /** Holds back what is sent. */
  readonly pace?: Pace;
  /** Called with each piece that is about to be sent. */
  readonly onSent?: (bytes: number, startedMs: number) => void;
  /** How long next to nothing may be said, in milliseconds; `patienceMs` of the file unless told. */
  readonly stallMs?: number;
}

const STALL_MS = 300_000;
const STALL_BYTES = 4096;
/** What setInterval takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Where the two files are the same, next to nothing is said while they are read. */
const SLOWEST_READ_BYTES_PER_MS = 10_000;

/** How long two rsyncs may be as good as silent over a file of that length, in milliseconds. */
export function patienceMs(fileBytes: number): number {
  return STALL_MS + fileBytes / SLOWEST_READ_BYTES_PER_MS;
}

/** Fires when next to nothing was said for long: rsyncs that misunderstand each other keep each other alive with a few bytes. */
export class StallWatch {
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;

  constructor(peer: string, ms: number) {
    this.#timer = setInterval(() => {
      if (this.#bytes < STALL_BYTES)
        this.#stop.abort(new HomewardError("TIMEOUT", `rsync here and on ${peer} said next to nothing for ${Math.ceil(ms / 1000)} s`));
      this.#bytes = 0;
    }, Math.min(ms, MAX_TIMER_MS));
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  note(bytes: number): void {
    this.#bytes += bytes;
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

/** Keeps what is sent below a rate, over files and pauses alike. */
export class Pace {
  readonly #bytesPerSecond: number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when that many bytes may be sent. */
  async turn(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const waitMs = this.#freeAtMs - now;
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + (bytes * 1000) / this.#bytesPerSecond;
    if (waitMs > 0) await delay(waitMs, signal);
  }
}

/** What the two ends may say about a file of that length: all of it, sums of its blocks, and signs of life. */
export function maxSaid(fileBytes: number): number {
  return fileBytes + Math.ceil(fileBytes / 8) + 4 * 1024 * 1024;
}

/**
 * Lets an rsync here talk with one on the other host until both have ended well. Whatever happens, no process is left.
 * @throws PEER, NO_ROOM, TIMEOUT, CANCELLED, what the link ended with
 */
export async function relayRsync(link: PeerLink, rsync: RsyncProcess, options: RelayOptions): Promise<void> {
  const watch = new StallWatch(link.peer, options.stallMs ?? patienceMs(options.fileBytes));
  const signal = AbortSignal.any([link.signal, options.signal, watch.signal]);
  const kill = (): void => {
    rsync.kill();
  };
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  try {
    const both = Promise.all([send(link, rsync, { ...options, signal }, watch), receive(link, rsync.input, options, watch)]);
    // Why an rsync failed says more than what became of its pipes.
    await Promise.race([both, failed(rsync)]);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    watch.end();
    signal.removeEventListener("abort", kill);
    kill();
  }
}

async function failed({ finished }: RsyncProcess): Promise<never> {
  await finished;
  return new Promise(() => undefined);
}

async function send(link: PeerLink, { output, finished }: RsyncProcess, options: RelayOptions, watch: StallWatch): Promise<void> {
  for await (const chunk of output as AsyncIterable<Buffer>)
    for (let at = 0; at < chunk.length; at += RSYNC_PIECE_BYTES) {
      const piece = chunk.subarray(at, at + RSYNC_PIECE_BYTES);
      await options.pace?.turn(frameBytes(piece.length), options.signal);
      watch.note(piece.length);
      const startedMs = performance.now();
      await link.sendBytes("rsync", piece);
      options.onSent?.(piece.length, startedMs);
    }
  // One that fails is told of by why it failed.
  await finished;
  await link.sendBytes("rsyncEnd");
}

async function receive(link: PeerLink, input: Writable, { fileBytes }: RelayOptions, watch: StallWatch): Promise<void> {
  const maxReceived = maxSaid(fileBytes);
  const over = new AbortController();
  input.once("close", () => {
    over.abort();
  });
  let received = 0;
  for await (const piece of link.stream("rsync", "rsyncEnd")) {
    received += piece.length;
    watch.note(piece.length);
    if (received > maxReceived)
      throw new HomewardError("PEER", `${link.peer} sent more than the file could take`, { data: { maxReceived } });
    // An rsync that has ended takes nothing any more; how it ended is found out elsewhere.
    if (!input.destroyed && !input.write(piece)) await drained(input, over.signal).catch(() => undefined);
  }
  input.end();
}
