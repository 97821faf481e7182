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

/** Contents that are packed to know about all of them: as many as make two frames, in runs that lie close. */
const SAMPLE_CONTENTS = 512;
const SAMPLE_RUN = 8;

/** What contents would take. */
export interface ResidualSample {
  readonly bytes: number;
  readonly packSeconds: number;
}

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
  /** Whether the destination has a twin to look contents up in, where index() is not told. */
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

/** The source's side: index(), the last of which is sent, then residual() once with the destination's answer, then refetch() as asked. */
export class ResidualSource {
  readonly #options: ResidualSourceOptions;
  readonly #current: PerDevice<BlockDevice>;
  readonly #base: PerDevice<BlockDevice>;
  readonly #dirty: PerDevice<Bitmap>;
  readonly #progress: Progress;
  #hashBits = 0;
  readonly #ramDirty: number;
  readonly #diskDirty: number;
  /** Block number of each distinct content; those below #ramContents are in RAM, the others on the disk. */
  readonly #contentBlocks: Uint32Array;
  /** What index() looked up, for another one. */
  #located: DirtyContents | undefined;
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
    this.#contentBlocks = new Uint32Array(this.#ramDirty + this.#diskDirty);
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

  /**
   * Hashes the dirty blocks, looks them up in the generation and yields the index messages, at most 256 KiB each. May be called
   * again, to know what the index would be with and without a twin: the work is done once.
   */
  async *index(hasTwin = this.#options.hasTwin): AsyncGenerator<Buffer, void, undefined> {
    const dirty = this.#ramDirty + this.#diskDirty;
    // Looked up in the twin's dirty blocks, which are about as many as ours.
    this.#hashBits = this.#options.hashBits ?? (hasTwin ? chooseHashBits(dirty) : 0);
    this.#located ??= await this.#locate();
    this.#zero = this.#generation = this.#repeats = this.#contents = this.#bytes.index = 0;
    yield* this.#describe(this.#located);
    this.#indexed = true;
  }

  async #locate(): Promise<DirtyContents> {
    const { baseHashes, pool, signal } = this.#options;
    const contents = new DirtyContents(this.#ramDirty + this.#diskDirty);
    for (const device of DEVICES) await this.#hashDirty(device, contents);
    await contents.locate(baseHashes, { pool, progress: this.#progress, signal });
    return contents;
  }

  /**
   * About what all contents of the index would take as a residual, from some of them: bytes, rather too many than too few, and
   * seconds of packing.
   * @param level zstd level 1 to 19
   */
  async sample(level: number): Promise<ResidualSample> {
    if (!this.#indexed) throw new HomewardError("INTERNAL", "what would be sent is known after the index");
    const places = [...this.#samplePlaces()];
    const startedMs = performance.now();
    let bytes = 0;
    for await (const frame of encodeFrames(this.#frameSource, [places], level)) bytes += frame.length;
    const share = places.length === 0 ? 0 : this.#contents / places.length;
    return { bytes: Math.ceil(bytes * share), packSeconds: ((performance.now() - startedMs) / 1000) * share };
  }

  /** Short runs of contents, evenly spread. */
  *#samplePlaces(): Generator<Place, void, undefined> {
    const step = Math.max(SAMPLE_RUN, Math.floor((this.#contents * SAMPLE_RUN) / SAMPLE_CONTENTS));
    for (let from = 0; from < this.#contents; from += step)
      for (let content = from; content < Math.min(from + SAMPLE_RUN, this.#contents); content++) yield this.#placeOf(content);
  }

  #placeOf(content: number): Place {
    return { device: content < this.#ramContents ? "ram" : "disk", block: this.#contentBlocks[content] ?? 0 };
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
    this.#located = undefined;
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
      this.#shipped++;
      const place = this.#placeOf(content);
      this.shipped[place.device].set(place.block);
      yield place;
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
