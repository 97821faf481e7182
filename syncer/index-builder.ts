import { encodeIndexMessage, type IndexHeader, type IndexRun } from "../protocol/residual/index-message.ts";
import { MAX_INDEX_HASHES, MAX_INDEX_RUNS } from "../protocol/residual/index-message.ts";
import { HASH_BYTES, type DeviceName } from "../protocol/residual/limits.ts";

interface Growing {
  kind: IndexRun["kind"];
  block: number;
  count: number;
  /** The content of a repeat, or the generation's block; of no meaning otherwise. */
  target: number;
}

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
    this.#add("zero", block, 0);
  }

  /** @param hash 8 bytes of SHA-1 of a content that is new in this index */
  hashed(block: number, hash: Uint8Array): void {
    this.#hashes.set(hash, this.#hashCount * HASH_BYTES);
    this.#hashCount++;
    this.#add("hashed", block, 0);
  }

  /** @param content number of the content that this block repeats */
  repeat(block: number, content: number): void {
    this.#add("repeat", block, content);
  }

  /** @param from the generation's block with the same content, its RAM's numbered first, then its disk's */
  generation(block: number, from: number): void {
    this.#add("generation", block, from);
  }

  #add(kind: IndexRun["kind"], block: number, target: number): void {
    const run = this.#runs.at(-1);
    const adjacent = run?.kind === kind && run.block + run.count === block;
    const points = kind === "repeat" || kind === "generation";
    if (adjacent && (!points || run.target + run.count === target)) run.count++;
    else this.#runs.push({ kind, block, count: 1, target });
  }

  /** The blocks since the last flush as a message; the next ones belong to `nextDevice`. */
  async flush(nextDevice: DeviceName | null): Promise<Buffer> {
    const message = await encodeIndexMessage(
      {
        sequence: this.#sequence,
        last: nextDevice === null,
        header: this.#sequence === 0 ? this.#header : undefined,
        device: this.#device,
        runs: this.#runs.map(asRun),
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

function asRun({ kind, block, count, target }: Growing): IndexRun {
  if (kind === "repeat") return { kind, block, count, content: target };
  if (kind === "generation") return { kind, block, count, from: target };
  return { kind, block, count };
}
