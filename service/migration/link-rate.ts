import { MODEL_LEVEL, MOST_ZSTD_LEVEL } from "../../protocol/residual/limits.ts";
import type { PeerLink } from "./peer-link.ts";

/** Shorter transfers drown in the time that two busy computers take to notice a message. */
const MIN_SAMPLE_BYTES = 4 * 1024;
/** Pings after each sample that tell what a round trip takes right then; 10 bytes each. */
const ROUND_TRIPS = 3;
/** More samples would only cost pings. */
const MAX_SAMPLES = 8;
const MBIT = 1e6;
/** Below this zstd packs the residual as hard as it can. */
const SLOW_BITS = 20 * MBIT;
/** Below this sending takes longer than the model does, which makes 100 to 200 kB a second on a slow core. */
const SLOWEST_BITS = 3 * MBIT;
/** So few blocks, 1 MiB, are packed by the model in a second. */
const FEW_BLOCKS = 256;

/**
 * How fast bytes get through to the other host. A transfer is timed until the pong to a ping right behind it, because the
 * stream alone takes hundreds of kilobytes into its buffers at once; round trips right after it tell what part of that
 * time was not the transfer.
 */
export class LinkRate {
  readonly #link: PeerLink;
  #last: Promise<void> = Promise.resolve();
  #samples = 0;
  #bitsPerSecond: number | null = null;

  constructor(link: PeerLink) {
    this.#link = link;
  }

  /** The best rate seen so far; null before the first transfer that told something. Infinity: too fast to tell. */
  get bitsPerSecond(): number | null {
    return this.#bitsPerSecond;
  }

  /** To be called right after `bytes` were sent from the moment `startedMs` (performance.now) on. Does not wait. */
  note(bytes: number, startedMs: number): void {
    if (bytes < MIN_SAMPLE_BYTES || this.#samples >= MAX_SAMPLES) return;
    this.#samples++;
    const arrived = this.#link.ping().then(() => performance.now());
    arrived.catch(() => undefined);
    // One after the other: a later transfer would be in the way of an earlier one's round trips.
    this.#last = this.#last
      .then(() => this.#sample(bytes, startedMs, arrived))
      // The link is gone; whoever uses it finds out by itself.
      .catch(() => undefined);
  }

  async #sample(bytes: number, startedMs: number, arrived: Promise<number>): Promise<void> {
    const elapsedMs = (await arrived) - startedMs;
    const roundTrips: number[] = [];
    for (let i = 0; i < ROUND_TRIPS; i++) roundTrips.push(await this.#link.ping());
    const rate = transferRate(bytes, elapsedMs, roundTrips);
    if (rate !== null) this.#bitsPerSecond = Math.max(this.#bitsPerSecond ?? 0, rate);
  }
}

/**
 * Bits a second of a transfer that took `elapsedMs` including one round trip, given round trips (milliseconds) of the same
 * time. Infinity when the transfer's own part is no longer than those differ among themselves; null when they differ by so
 * much, on a busy computer, that even a slow link could hide in it.
 */
export function transferRate(bytes: number, elapsedMs: number, roundTripsMs: readonly number[]): number | null {
  const shortest = Math.min(...roundTripsMs);
  const spread = Math.max(...roundTripsMs) - shortest;
  const transferMs = elapsedMs - shortest;
  if (transferMs > Math.max(spread, 1)) return (bytes * 8 * 1000) / transferMs;
  return spread > (bytes * 8 * 1000) / SLOW_BITS ? null : Infinity;
}

/**
 * Level of packing for the residual: on a fast link packing hard takes longer than sending, on a slow one every byte counts.
 * An unknown rate means that little was sent, so little will be.
 * @param blocks how many are to be sent
 */
export function residualLevel(bitsPerSecond: number | null, blocks: number): number {
  if (bitsPerSecond === null) return blocks > FEW_BLOCKS ? MOST_ZSTD_LEVEL : MODEL_LEVEL;
  if (bitsPerSecond >= 100 * MBIT) return 3;
  if (bitsPerSecond >= SLOW_BITS) return 9;
  return bitsPerSecond >= SLOWEST_BITS ? MOST_ZSTD_LEVEL : MODEL_LEVEL;
}
