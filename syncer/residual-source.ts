import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { chooseHashBits } from "../protocol/residual/hash-bits.ts";
import { DEVICES, HASH_BYTES, MOST_ZSTD_LEVEL, type DeviceName } from "../protocol/residual/limits.ts";
import { decodeNeedMessage, type NeedMessage } from "../protocol/residual/need-message.ts";
import { decodeRefetchRequest } from "../protocol/residual/repair-messages.ts";
import { Bitmap } from "./bitmap.ts";
import type { BlockDevice } from "./block-device.ts";
import type { BlockHashes } from "./block-hashes.ts";
import { DirtyContents } from "./dirty-contents.ts";
import { encodeFrames, type FrameSource } from "./frames.ts";
import type { HashPool } from "./hash-pool.ts";
import { IndexBuilder } from "./index-builder.ts";
import { groupRuns, pieceOf } from "./pieces.ts";
import type { PerDevice, Place } from "./places.ts";

/** Blocks described in one turn of the event loop. */
const BLOCKS_PER_TURN = 2048;

export interface ResidualSourceOptions {
  /** The suspended state. */
  readonly ram: BlockDevice;
  readonly disk: BlockDevice;
  /** The generation that both hosts hold. */
  readonly baseRam: BlockDevice;
  readonly baseDisk: BlockDevice;
  readonly dirtyRam: Bitmap;
  readonly dirtyDisk: Bitmap;
  readonly pool: HashPool;
  /** Of the generation. */
  readonly baseHashes: PerDevice<BlockHashes>;
  /** Whether the destination has a twin to look contents up in. */
  readonly hasTwin: boolean;
  /** Bits of each hash in the index; for tests, else chosen. */
  readonly hashBits?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Blocks of the source. zero + generation + distinct + repeats = ramDirty + diskDirty. */
export interface SourceStats {
  readonly ramDirty: number;
  readonly diskDirty: number;
  readonly zero: number;
  /** Blocks that hold what the generation holds elsewhere. */
  readonly generation: number;
  /** Contents that are neither zero nor the generation's, each counted once. */
  readonly distinct: number;
  /** Blocks with one of those that an earlier dirty block has too. */
  readonly repeats: number;
  readonly hashBits: number;
  /** Contents sent because the destination lacked them. */
  readonly shipped: number;
  /** Blocks sent again because a leaf was wrong. */
  readonly refetched: number;
  /** Bytes of the messages made. */
  readonly bytes: { readonly index: number; readonly residual: number; readonly refetch: number };
}

/** The source's side: index() once, then residual() once with the destination's answer, then refetch() as asked. */
export class ResidualSource {
  readonly #options: ResidualSourceOptions;
  readonly #current: PerDevice<BlockDevice>;
  readonly #base: PerDevice<BlockDevice>;
  readonly #dirty: PerDevice<Bitmap>;
  readonly #progress: Progress;
  readonly #hashBits: number;
  readonly #ramDirty: number;
  readonly #diskDirty: number;
  /** Block number of each distinct content; those below #ramContents are in RAM, the others on the disk. */
  readonly #contentBlocks: Uint32Array;
  #contents = 0;
  #ramContents = 0;
  #indexed = false;
  #zero = 0;
  #generation = 0;
  #repeats = 0;
  #shipped = 0;
  #refetched = 0;
  readonly #bytes = { index: 0, residual: 0, refetch: 0 };
  /** The blocks that residual() sent. */
  readonly shipped: PerDevice<Bitmap>;

  constructor(options: ResidualSourceOptions) {
    this.#options = options;
    this.#current = { ram: options.ram, disk: options.disk };
    this.#base = { ram: options.baseRam, disk: options.baseDisk };
    this.#dirty = { ram: options.dirtyRam, disk: options.dirtyDisk };
    this.#progress = options.progress ?? noProgress;
    this.#ramDirty = options.dirtyRam.count();
    this.#diskDirty = options.dirtyDisk.count();
    const dirty = this.#ramDirty + this.#diskDirty;
    // Looked up in the twin's dirty blocks, which are about as many as ours.
    this.#hashBits = options.hashBits ?? (options.hasTwin ? chooseHashBits(dirty) : 0);
    this.#contentBlocks = new Uint32Array(dirty);
    this.shipped = { ram: new Bitmap(options.ram.blocks), disk: new Bitmap(options.disk.blocks) };
  }

  get stats(): SourceStats {
    return {
      ramDirty: this.#ramDirty,
      diskDirty: this.#diskDirty,
      zero: this.#zero,
      generation: this.#generation,
      distinct: this.#contents,
      repeats: this.#repeats,
      hashBits: this.#hashBits,
      shipped: this.#shipped,
      refetched: this.#refetched,
      bytes: { ...this.#bytes },
    };
  }

  /** Hashes the dirty blocks, looks them up in the generation and yields the index messages, at most 256 KiB each. */
  async *index(): AsyncGenerator<Buffer, void, undefined> {
    const { baseHashes, pool, signal } = this.#options;
    const contents = new DirtyContents(this.#ramDirty + this.#diskDirty);
    for (const device of DEVICES) await this.#hashDirty(device, contents);
    await contents.locate(baseHashes, { pool, progress: this.#progress, signal });
    yield* this.#describe(contents);
    this.#indexed = true;
  }

  /** The index of contents that were looked up. */
  async *#describe(contents: DirtyContents): AsyncGenerator<Buffer, void, undefined> {
    const { ram, disk } = this.#current;
    const builder = new IndexBuilder({ hashBits: this.#hashBits, ramBlocks: ram.blocks, diskBlocks: disk.blocks });
    const numbers = new ContentNumbers(contents.count);
    let n = 0;
    for (const device of DEVICES) {
      for (const run of this.#dirty[device].runs()) {
        throwIfAborted(this.#options.signal);
        for (let block = run.block; block < run.block + run.count; block++) {
          this.#addBlock(builder, contents, numbers, block, contents.contentOf(n++));
          if (n % BLOCKS_PER_TURN === 0 || builder.full) await setImmediate();
          if (builder.full) yield this.#count("index", await builder.flush(device));
        }
      }
      if (device === "ram") this.#ramContents = this.#contents;
      yield this.#count("index", await builder.flush(device === "ram" ? "disk" : null));
    }
  }

  /**
   * The contents that the destination lacks, once each, in frames.
   * @param need the destination's need messages
   * @param level 1 to MODEL_LEVEL
   * @throws PEER or DAMAGED when the need is malformed
   */
  async *residual(
    need: AsyncIterable<Buffer> | Iterable<Buffer> | Buffer,
    level: number,
  ): AsyncGenerator<Buffer, void, undefined> {
    if (!this.#indexed) throw new HomewardError("INTERNAL", "the residual comes after the index");
    const messages = Buffer.isBuffer(need) ? [need] : need;
    const places = this.#neededPlaces(messages);
    for await (const frame of encodeFrames(this.#frameSource, places, level)) {
      yield this.#count("residual", frame);
      this.#progress.update({ phase: "ship", done: this.#bytes.residual, unit: "bytes" });
    }
  }

  /** Frames that answer one refetch request. @throws PEER or DAMAGED when the request is malformed */
  async *refetch(request: Buffer, level: number): AsyncGenerator<Buffer, void, undefined> {
    const { device, dictionary, ranges } = decodeRefetchRequest(request);
    const last = ranges.at(-1);
    if (last !== undefined && last.block + last.count > this.#current[device].blocks)
      throw new HomewardError("PEER", "the other host asks for blocks that the machine does not have");
    const places = ranges.flatMap(({ block, count }) =>
      Array.from({ length: count }, (_, i): Place => ({ device, block: block + i })),
    );
    this.#refetched += places.length;
    const source = this.#frameSource;
    const frames = dictionary === "none" ? { ...source, base: null } : source;
    for await (const frame of encodeFrames(frames, [places], Math.min(level, MOST_ZSTD_LEVEL))) yield this.#count("refetch", frame);
  }

  get #frameSource(): FrameSource {
    const { pool, signal } = this.#options;
    return { current: this.#current, base: this.#base, pool, signal };
  }

  #count(kind: "index" | "residual" | "refetch", message: Buffer): Buffer {
    this.#bytes[kind] += message.length;
    return message;
  }

  async #hashDirty(device: DeviceName, contents: DirtyContents): Promise<void> {
    const { pool, signal } = this.#options;
    const hashed = mapOrdered(
      groupRuns(this.#dirty[device].runs()),
      pool.parallelism,
      async (runs) => pool.hashBlocks(await pieceOf(this.#current[device], runs)),
      signal,
    );
    let done = device === "ram" ? 0 : this.#ramDirty;
    for await (const hashes of hashed) {
      contents.add(hashes);
      done += hashes.length / HASH_BYTES;
      this.#progress.update({ phase: "hash", done, total: this.#ramDirty + this.#diskDirty, unit: "blocks" });
    }
  }

  #addBlock(
    builder: IndexBuilder,
    contents: DirtyContents,
    numbers: ContentNumbers,
    block: number,
    content: number | undefined,
  ): void {
    if (content === undefined) {
      this.#zero++;
      builder.zero(block);
      return;
    }
    const same = contents.inGeneration(content);
    if (same !== undefined) {
      this.#generation++;
      builder.generation(block, same.device === "ram" ? same.block : this.#base.ram.blocks + same.block);
      return;
    }
    const earlier = numbers.get(content);
    if (earlier !== undefined) {
      this.#repeats++;
      builder.repeat(block, earlier);
      return;
    }
    numbers.set(content, this.#contents);
    this.#contentBlocks[this.#contents++] = block;
    builder.hashed(block, contents.hashOf(content));
  }

  async *#neededPlaces(
    messages: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): AsyncGenerator<Iterable<Place>, void, undefined> {
    let next = 0;
    for await (const message of messages) {
      const need = await decodeNeedMessage(message);
      if (need.from !== next || need.from + need.count > this.#contents)
        throw new HomewardError("PEER", "the other host's need does not fit the index", {
          data: { from: need.from, count: need.count, expected: next, contents: this.#contents },
        });
      next = need.from + need.count;
      yield this.#placesOf(need);
    }
    if (next !== this.#contents) throw new HomewardError("PEER", "the other host's need ends early");
  }

  *#placesOf(need: NeedMessage): Generator<Place, void, undefined> {
    for (let i = 0; i < need.count; i++) {
      if (((need.bits[i >>> 3] ?? 0) & (1 << (i & 7))) === 0) continue;
      const content = need.from + i;
      const device = content < this.#ramContents ? "ram" : "disk";
      this.#shipped++;
      const block = this.#contentBlocks[content] ?? 0;
      this.shipped[device].set(block);
      yield { device, block };
    }
  }
}

const NO_NUMBER = 0xffff_ffff;

/** The numbers that contents have in the index, where those of the generation have none. */
class ContentNumbers {
  readonly #numbers: Uint32Array;

  constructor(contents: number) {
    this.#numbers = new Uint32Array(contents).fill(NO_NUMBER);
  }

  get(content: number): number | undefined {
    const number = this.#numbers[content] ?? NO_NUMBER;
    return number === NO_NUMBER ? undefined : number;
  }

  set(content: number, number: number): void {
    this.#numbers[content] = number;
  }
}
