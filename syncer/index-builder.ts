import { encodeIndexMessage, type IndexHeader, type IndexRun } from "../protocol/residual/index-message.ts";
import { MAX_INDEX_HASHES, MAX_INDEX_RUNS } from "../protocol/residual/index-message.ts";
import { HASH_BYTES, type DeviceName } from "../protocol/residual/limits.ts";

/** The last run may become longer. */
type Growing = IndexRun & { count: number };

/** Collects dirty blocks, device by device in ascending order, into index messages. */
export class IndexBuilder {
  readonly #header: IndexHeader;
  #sequence = 0;
  #device: DeviceName = "ram";
  #runs: Growing[] = [];
  #hashes = new Uint8Array(MAX_INDEX_HASHES * HASH_BYTES);
  #hashCount = 0;

  constructor(header: IndexHeader) {
    this.#header = header;
  }

  /** Whether flush() must be called before the next block is added. */
  get full(): boolean {
    return this.#runs.length >= MAX_INDEX_RUNS || this.#hashCount >= MAX_INDEX_HASHES;
  }

  get device(): DeviceName {
    return this.#device;
  }

  zero(block: number): void {
    const run = this.#adjacent(block);
    if (run?.kind === "zero") run.count++;
    else this.#runs.push({ kind: "zero", block, count: 1 });
  }

  /** @param hash 8 bytes of SHA-1 of a content that is new in this index */
  hashed(block: number, hash: Uint8Array): void {
    this.#hashes.set(hash, this.#hashCount * HASH_BYTES);
    this.#hashCount++;
    const run = this.#adjacent(block);
    if (run?.kind === "hashed") run.count++;
    else this.#runs.push({ kind: "hashed", block, count: 1 });
  }

  /** @param content number of the content that this block repeats */
  repeat(block: number, content: number): void {
    const run = this.#adjacent(block);
    if (run?.kind === "repeat" && run.content + run.count === content) run.count++;
    else this.#runs.push({ kind: "repeat", block, count: 1, content });
  }

  /** @param from the generation's block with the same content, its RAM's numbered first, then its disk's */
  generation(block: number, from: number): void {
    const run = this.#adjacent(block);
    if (run?.kind === "generation" && run.from + run.count === from) run.count++;
    else this.#runs.push({ kind: "generation", block, count: 1, from });
  }

  /** The last run, if the block follows on it. */
  #adjacent(block: number): Growing | undefined {
    const run = this.#runs.at(-1);
    return run !== undefined && run.block + run.count === block ? run : undefined;
  }

  /** The blocks since the last flush as a message; the next ones belong to `nextDevice`. */
  async flush(nextDevice: DeviceName | null): Promise<Buffer> {
    const message = await encodeIndexMessage(
      {
        sequence: this.#sequence,
        last: nextDevice === null,
        header: this.#sequence === 0 ? this.#header : undefined,
        device: this.#device,
        runs: this.#runs,
        hashes: this.#hashes.subarray(0, this.#hashCount * HASH_BYTES),
      },
      this.#header.hashBits,
    );
    this.#sequence++;
    this.#runs = [];
    this.#hashCount = 0;
    this.#device = nextDevice ?? this.#device;
    return message;
  }
}
