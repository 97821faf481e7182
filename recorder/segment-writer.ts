import { HomewardError, toHomewardError } from "../common/errors.ts";
import { encodeSegment, type InputEvent } from "../protocol/input-log.ts";

/** Where finished segments go; resolves when they are safe. */
export type StoreSegment = (
  seq: number,
  data: Buffer,
  firstMs: number,
  lastMs: number,
  events: number,
) => Promise<void>;

/** An event waits at most this long before it is compressed and written; the rest of the second is for the disk. */
const FLUSH_AFTER_MS = 800;
/** Weight of events (see weightOf) that make a full segment. */
const SEGMENT_WEIGHT = 100_000;
const SEGMENT_EVENTS = 2000;
/** Weight of events that may wait for a disk that takes nothing; past this the recording is given up. */
const MAX_WAITING_WEIGHT = 1_000_000;
/** Pointer motion closer together than this is one motion in the log. */
const MOTION_MS = 20;

/** What an event costs, in about the bytes it takes before compression. */
function weightOf(event: InputEvent): number {
  return event.kind === "checkpoint" ? 10 + event.checkpoint.cells.size + event.checkpoint.volatile.length : 10;
}

interface EncodedSegment {
  readonly data: Buffer;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly events: number;
}

/**
 * Gathers events into segments and stores them in order, durable within a second. When storing fails the segments are
 * kept and tried again; when too much waits, recording ends there, marked as paused, so that a replay stops at the gap.
 */
export class SegmentWriter {
  readonly #store: StoreSegment;
  readonly #onError: (error: HomewardError) => void;
  #seq: number;
  #events: InputEvent[] = [];
  #weight = 0;
  #motionSlotMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unstored: EncodedSegment | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failing = false;
  #givenUp = false;
  #added = 0;
  #storedBytes = 0;

  /** @param firstSeq number of the first segment */
  constructor(store: StoreSegment, firstSeq: number, onError: (error: HomewardError) => void) {
    this.#store = store;
    this.#seq = firstSeq;
    this.#onError = onError;
  }

  /** Events added, stored or not. */
  get events(): number {
    return this.#added;
  }

  /** Bytes of the segments stored so far. */
  get bytes(): number {
    return this.#storedBytes;
  }

  /** Adds an event; its time must not be before the last one's. */
  add(event: InputEvent): void {
    if (this.#givenUp) return;
    this.#motionSlotMs = undefined;
    if (this.#weight >= MAX_WAITING_WEIGHT) this.#giveUp(event.atMs);
    else this.#push(event);
  }

  /** Adds a pointer motion that changed no button, replacing the one just before it if that is less than 20 ms old. */
  addMotion(event: InputEvent & { readonly kind: "pointer" }): void {
    const slot = this.#motionSlotMs;
    if (slot !== undefined && event.atMs - slot < MOTION_MS) {
      this.#events[this.#events.length - 1] = event;
      return;
    }
    this.add(event);
    this.#motionSlotMs = this.#givenUp ? undefined : event.atMs;
  }

  /** Resolves when everything added so far is stored. @throws what the store throws */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const attempt = this.#writing.then(() => this.#write());
    this.#writing = attempt.catch(() => undefined);
    return attempt;
  }

  #push(event: InputEvent): void {
    this.#added++;
    this.#events.push(event);
    this.#weight += weightOf(event);
    const full = this.#events.length >= SEGMENT_EVENTS || this.#weight >= SEGMENT_WEIGHT;
    if (full && !this.#failing) this.#flushAndReport();
    else this.#flushLater();
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#flushAndReport();
    }, FLUSH_AFTER_MS).unref();
  }

  #flushAndReport(): void {
    this.flush().catch((error: unknown) => {
      if (!this.#failing) this.#onError(toHomewardError(error));
      this.#failing = true;
      this.#flushLater();
    });
  }

  async #write(): Promise<void> {
    while (this.#unstored !== undefined || this.#events.length > 0) {
      this.#unstored ??= await this.#encodeWaiting();
      const { data, firstMs, lastMs, events } = this.#unstored;
      await this.#store(this.#seq, data, firstMs, lastMs, events);
      this.#seq++;
      this.#storedBytes += data.length;
      this.#unstored = undefined;
      this.#failing = false;
    }
  }

  async #encodeWaiting(): Promise<EncodedSegment> {
    const batch = this.#takeBatch();
    const data = await encodeSegment(batch);
    return { data, firstMs: batch[0]?.atMs ?? 0, lastMs: batch.at(-1)?.atMs ?? 0, events: batch.length };
  }

  /** The oldest waiting events, as many as one segment takes. */
  #takeBatch(): InputEvent[] {
    let weight = 0;
    let count = 0;
    for (const event of this.#events) {
      if (count >= SEGMENT_EVENTS || (count > 0 && weight >= SEGMENT_WEIGHT)) break;
      weight += weightOf(event);
      count++;
    }
    this.#weight -= weight;
    const batch = this.#events.splice(0, count);
    if (this.#events.length === 0) this.#motionSlotMs = undefined;
    return batch;
  }

  #giveUp(atMs: number): void {
    this.#givenUp = true;
    this.#events.push({ atMs, kind: "mark", mark: "record-pause" });
    this.#onError(
      new HomewardError("NO_ROOM", "input is no longer recorded: the log cannot be written", {
        hint: "The workspace goes on; a migration will send more, because replay ends here.",
      }),
    );
  }
}
