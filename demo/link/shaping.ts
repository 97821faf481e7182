import type { LinkSpeed } from "./speed.ts";

/** Time, injected so that tests need not wait. */
export interface Clock {
  /** Milliseconds, only ever forward. */
  now(): number;
  /** Calls back once at `timeMs` or as soon after as possible; returns what takes the call back. */
  at(timeMs: number, callback: () => void): () => void;
}

/** Data is booked in pieces of about this much line time, so that a small message need not wait behind a large one. */
const PIECE_MS = 10;
const MIN_PIECE_BYTES = 1460;
const MAX_PIECE_BYTES = 65_536;
/** A lane takes in at least this much before it asks its sender to wait. */
const MIN_LANE_BYTES = 65_536;

/**
 * One direction of a line with a rate and a delay, shared by all connections over it: a token bucket as deep as one piece.
 * A piece leaves when the line is free, takes its size divided by the rate to leave, and arrives half a round trip later.
 */
export class Wire {
  readonly #clock: Clock;
  #speed: LinkSpeed;
  #freeAtMs = 0;
  #bytes = 0;

  constructor(speed: LinkSpeed, clock: Clock) {
    this.#speed = speed;
    this.#clock = clock;
  }

  /** Bytes put on the line so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is under way already keeps the speed it left with. */
  set speed(speed: LinkSpeed) {
    this.#speed = speed;
  }

  get pieceBytes(): number {
    const { bitsPerSecond } = this.#speed;
    if (bitsPerSecond === null) return MAX_PIECE_BYTES;
    return Math.min(MAX_PIECE_BYTES, Math.max(MIN_PIECE_BYTES, Math.round((bitsPerSecond / 8000) * PIECE_MS)));
  }

  /** How much a connection may have waiting and under way: twice what the line holds, or it could not be kept full. */
  get laneBytes(): number {
    const { bitsPerSecond, roundTripMs } = this.#speed;
    if (bitsPerSecond === null) return MIN_LANE_BYTES;
    return Math.max(MIN_LANE_BYTES, Math.ceil((bitsPerSecond / 8000) * roundTripMs));
  }

  /** Puts a piece on the line and returns when its last bit arrives, in milliseconds. */
  send(bytes: number): number {
    const { bitsPerSecond, roundTripMs } = this.#speed;
    this.#bytes += bytes;
    const leavesMs = Math.max(this.#freeAtMs, this.#clock.now());
    this.#freeAtMs = bitsPerSecond === null ? leavesMs : leavesMs + (bytes * 8000) / bitsPerSecond;
    return this.#freeAtMs + roundTripMs / 2;
  }
}

/** Where a lane's data goes. */
export interface LaneEnd {
  /** Takes a piece; false asks the lane to wait for `resume`. */
  deliver(piece: Buffer): boolean;
  /** The sender has finished and everything has been delivered. */
  finished(): void;
  /** After a `push` that returned false: there is room again. */
  roomAgain(): void;
}

/** One direction of one connection: pieces in order, each delivered when it arrives. Holds a bounded amount. */
export class Lane {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #end: LaneEnd;
  #pieces: { readonly data: Buffer; readonly arrivesMs: number }[] = [];
  #waitingBytes = 0;
  #isFull = false;
  #isBlocked = false;
  #finishesMs: number | null = null;
  #isFinished = false;
  #cancelTimer: (() => void) | null = null;

  constructor(wire: Wire, clock: Clock, end: LaneEnd) {
    this.#wire = wire;
    this.#clock = clock;
    this.#end = end;
  }

  /** Bytes that have not been delivered yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether everything up to the end of the connection has been delivered. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Takes data in, all of it; false asks the sender to stop until `roomAgain`. */
  push(data: Buffer): boolean {
    const size = this.#wire.pieceBytes;
    for (let at = 0; at < data.length; at += size) {
      const piece = data.subarray(at, at + size);
      this.#pieces.push({ data: piece, arrivesMs: this.#wire.send(piece.length) });
    }
    this.#waitingBytes += data.length;
    this.#schedule();
    this.#isFull = this.#waitingBytes >= this.#wire.laneBytes;
    return !this.#isFull;
  }

  /** No more data will come. The end of a connection crosses the line like data does. */
  finish(): void {
    this.#finishesMs = this.#wire.send(0);
    this.#schedule();
  }

  /** The receiver takes data again. */
  resume(): void {
    this.#isBlocked = false;
    this.#schedule();
  }

  /** Forgets what is under way. */
  cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#pieces = [];
    this.#waitingBytes = 0;
    this.#finishesMs = null;
  }

  #schedule(): void {
    if (this.#cancelTimer !== null || this.#isBlocked) return;
    const nextMs = this.#pieces[0]?.arrivesMs ?? this.#finishesMs;
    if (nextMs === null) return;
    this.#cancelTimer = this.#clock.at(nextMs, () => {
      this.#cancelTimer = null;
      this.#deliverDue();
      this.#schedule();
    });
  }

  #deliverDue(): void {
    const nowMs = this.#clock.now();
    while (!this.#isBlocked) {
      const [piece] = this.#pieces;
      if (piece === undefined || piece.arrivesMs > nowMs) break;
      this.#pieces.shift();
      this.#waitingBytes -= piece.data.length;
      this.#isBlocked = !this.#end.deliver(piece.data);
    }
    if (this.#isFull && this.#waitingBytes < this.#wire.laneBytes / 2) {
      this.#isFull = false;
      this.#end.roomAgain();
    }
    if (this.#pieces.length === 0 && this.#finishesMs !== null && this.#finishesMs <= nowMs) {
      this.#finishesMs = null;
      this.#isFinished = true;
      this.#end.finished();
    }
  }
}
