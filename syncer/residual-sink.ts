import { throwIfAborted } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { DEVICES, type DeviceName } from "../protocol/residual/limits.ts";
import type { RefetchDictionary } from "../protocol/residual/repair-messages.ts";
import { Bitmap } from "./bitmap.ts";
import type { BlockDevice, WritableBlockDevice } from "./block-device.ts";
import { copyBlocks, type BlockCopy } from "./copy-blocks.ts";
import { FrameDecoder, type DecodedFrame } from "./frames.ts";
import type { HashPool } from "./hash-pool.ts";
import { IncomingIndex } from "./incoming-index.ts";
import { locateInTwin } from "./locate.ts";
import { NeededContents } from "./needed-contents.ts";
import { blocksAt, writeBlocks, type PerDevice, type Place } from "./places.ts";
import { WantedContents } from "./wanted.ts";

export interface TwinDevices {
  readonly ram: BlockDevice;
  readonly disk: BlockDevice;
  /** Blocks of the stopped twin that differ from the generation (dirtyBlocks). */
  readonly dirtyRam: Bitmap;
  readonly dirtyDisk: Bitmap;
}

export interface ResidualSinkOptions {
  readonly baseRam: BlockDevice;
  readonly baseDisk: BlockDevice;
  /** Absent in overlay mode. */
  readonly twin?: TwinDevices;
  /** Already equal to the generation: a sparse copy of its RAM, a fresh overlay over its disk. */
  readonly outRam: WritableBlockDevice;
  readonly outDisk: WritableBlockDevice;
  readonly pool: HashPool;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Where the destination's blocks came from. zero + generation + distinct + repeats is all of them; twin + shipped = distinct. */
export interface SinkStats {
  readonly ramDirty: number;
  readonly diskDirty: number;
  readonly zero: number;
  /** Blocks that hold what the generation holds elsewhere. */
  readonly generation: number;
  /** Contents that are neither zero nor the generation's, each counted once. */
  readonly distinct: number;
  /** Blocks with one of those that an earlier dirty block has too. */
  readonly repeats: number;
  /** Distinct contents found in the twin. */
  readonly twin: number;
  /** Distinct contents that came over the wire. */
  readonly shipped: number;
  /** Blocks fetched again after verification found a wrong leaf. */
  readonly refetched: number;
  /** Bytes of the messages handled. */
  readonly bytes: { readonly index: number; readonly need: number; readonly residual: number; readonly refetch: number };
}

/** The destination's side: addIndex() for each message, resolve(), addResidual() for each frame in order, finish(). */
export class ResidualSink {
  readonly #options: ResidualSinkOptions;
  readonly #base: PerDevice<BlockDevice>;
  readonly #out: PerDevice<WritableBlockDevice>;
  readonly #progress: Progress;
  readonly #index: IncomingIndex;
  readonly #frames: FrameDecoder;
  readonly #bytes = { index: 0, need: 0, residual: 0, refetch: 0 };
  #twin = 0;
  #needed: NeededContents | undefined;
  /** Work on the out devices that nobody waits for yet; never rejects. */
  readonly #background = new Set<Promise<void>>();
  #failure: Error | undefined;
  #refetched = 0;

  constructor(options: ResidualSinkOptions) {
    this.#options = options;
    this.#base = { ram: options.baseRam, disk: options.baseDisk };
    this.#out = { ram: options.outRam, disk: options.outDisk };
    this.#progress = options.progress ?? noProgress;
    this.#index = new IncomingIndex({ ram: options.baseRam.blocks, disk: options.baseDisk.blocks });
    this.#frames = new FrameDecoder(this.#base, options.pool);
    for (const device of DEVICES)
      if (this.#out[device].blocks !== this.#base[device].blocks)
        throw new HomewardError("INTERNAL", `the new ${device} is not as large as the generation's`);
  }

  get stats(): SinkStats {
    const { ram, disk } = this.#index.dirty;
    return {
      ramDirty: ram.count(),
      diskDirty: disk.count(),
      zero: this.#index.zero,
      generation: this.#index.generation,
      distinct: this.#index.contents,
      repeats: this.#index.repeats,
      twin: this.#twin,
      shipped: this.#needed?.count ?? 0,
      refetched: this.#refetched,
      bytes: { ...this.#bytes },
    };
  }

  /** The blocks in which the source differs from the generation, as the index says. */
  get dirty(): PerDevice<Bitmap> {
    return this.#index.dirty;
  }

  /** The devices that this writes. */
  get out(): PerDevice<WritableBlockDevice> {
    return this.#out;
  }

  /** Messages must be added in order, each after the one before is done. @throws PEER or DAMAGED when malformed */
  async addIndex(message: Buffer): Promise<void> {
    await this.#index.add(message);
    this.#bytes.index += message.length;
  }

  /**
   * Looks every hash up in the twin, and begins to copy what was found.
   * @returns the need messages, at most 256 KiB each
   * @throws PEER when the index has not ended
   */
  async resolve(): Promise<Buffer[]> {
    if (!this.#index.complete) throw new HomewardError("PEER", "the other host's index ends early");
    // The content's own address is more likely than any other to be no false hit.
    const wanted = await WantedContents.of(this.#index, (content, { device, block }) => {
      const own = this.#index.place(content);
      return own.block === block && own.device === device;
    });
    const { twin, pool, signal } = this.#options;
    const options = { pool, progress: this.#progress, signal };
    if (twin !== undefined && this.#index.hashBits > 0) {
      await locateInTwin(wanted, "ram", twin.ram, twin.dirtyRam, options);
      await locateInTwin(wanted, "disk", twin.disk, twin.dirtyDisk, options);
    }
    this.#twin = this.#index.contents - wanted.missing;
    this.#needed = new NeededContents(this.#index, wanted);
    const messages: Buffer[] = [];
    for await (const message of this.#needed.messages()) {
      messages.push(message);
      this.#bytes.need += message.length;
    }
    this.#inBackground(this.#writeFound(wanted));
    return messages;
  }

  /** The next frame; another may be added before this one is done. @throws PEER, DAMAGED */
  async addResidual(frame: Buffer): Promise<void> {
    const needed = this.#needed;
    if (needed === undefined) throw new HomewardError("PEER", "the other host sends blocks before they were asked for");
    this.#bytes.residual += frame.length;
    const work = this.#frames.decode(frame, (blocks) => needed.take(blocks)).then((decoded) => this.#write(decoded));
    this.#inBackground(work);
    await work;
    this.#progress.update({ phase: "receive", done: needed.taken, total: needed.count, unit: "blocks" });
  }

  /**
   * Resolves when both out devices hold the source's state, as far as the truncated hashes tell, and are flushed.
   * @throws PEER when contents are still missing; whatever went wrong in the background
   */
  async finish(): Promise<void> {
    await this.abandon();
    if (this.#failure !== undefined) throw this.#failure;
    const { count = 0, taken = 0 } = this.#needed ?? {};
    if (this.#needed === undefined || taken !== count)
      throw new HomewardError("PEER", "the other host's residual ends early", { data: { expected: count, taken } });
    // Only now does every first place of a content hold it.
    await this.#copy("repeat", this.#index.repeats, this.#repeatCopies());
    await Promise.all([this.#out.ram.flush(), this.#out.disk.flush()]);
  }

  /** Waits until nothing reads or writes the devices any more; for a migration that is given up. Never throws. */
  async abandon(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
    this.#frames.close();
  }

  /** Writes blocks that were fetched again. @throws PEER, DAMAGED */
  async overwrite(places: readonly Place[], content: Buffer, messageBytes: number): Promise<void> {
    this.#bytes.refetch += messageBytes;
    this.#refetched += places.length;
    await writeBlocks(blocksAt(this.#out, places), content, this.#options.pool);
  }

  /** A decoder for the frames of one refetch that were asked for with this dictionary. */
  refetchDecoder(dictionary: RefetchDictionary): FrameDecoder {
    return new FrameDecoder(dictionary === "none" ? null : this.#base, this.#options.pool);
  }

  /** The dirty blocks that did not come over the wire: those that a false hit can have made wrong. */
  notShipped(): PerDevice<Bitmap> {
    const shipped = { ram: new Bitmap(this.#base.ram.blocks), disk: new Bitmap(this.#base.disk.blocks) };
    for (const { device, block } of this.#needed?.places() ?? []) shipped[device].set(block);
    const rest = (device: DeviceName): Bitmap => this.dirty[device].without(shipped[device]);
    return { ram: rest("ram"), disk: rest("disk") };
  }

  async #write({ places, content }: DecodedFrame): Promise<void> {
    await writeBlocks(blocksAt(this.#out, places), content, this.#options.pool);
  }

  #inBackground(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : toHomewardError(error);
      })
      .finally(() => {
        this.#background.delete(settled);
      });
    this.#background.add(settled);
  }

  /** Zeroes, and what the generation and the twin hold. Their devices are never written, so the order does not matter. */
  async #writeFound(wanted: WantedContents): Promise<void> {
    for (const { device, block, count } of this.#index.zeroRuns()) {
      throwIfAborted(this.#options.signal);
      await this.#out[device].writeZeroes(block, count);
    }
    await this.#copy("copy", this.#index.generation + this.#twin, this.#foundCopies(wanted));
  }

  *#foundCopies(wanted: WantedContents): Generator<BlockCopy, void, undefined> {
    for (const { device, block, count, from } of this.#index.generationRuns())
      for (let i = 0; i < count; i++)
        yield {
          from: { on: this.#base[from.device], block: from.block + i },
          to: { on: this.#out[device], block: block + i },
        };
    const { twin } = this.#options;
    if (twin === undefined) return;
    for (let content = 0; content < this.#index.contents; content++) {
      const found = wanted.location(content);
      if (found === undefined) continue;
      const { device, block } = this.#index.place(content);
      yield { from: { on: twin[found.device], block: found.block }, to: { on: this.#out[device], block } };
    }
  }

  /** Repeated contents, from where they were written first. */
  *#repeatCopies(): Generator<BlockCopy, void, undefined> {
    for (const run of this.#index.repeatRuns()) {
      for (let i = 0; i < run.count; i++) {
        const first = this.#index.place(run.content + i);
        yield {
          from: { on: this.#out[first.device], block: first.block },
          to: { on: this.#out[run.device], block: run.block + i },
        };
      }
    }
  }

  #copy(phase: string, total: number, copies: Iterable<BlockCopy>): Promise<void> {
    const report = (done: number): void => {
      this.#progress.update({ phase, done, total, unit: "blocks" });
    };
    return copyBlocks(copies, this.#options.pool, report, this.#options.signal);
  }
}
