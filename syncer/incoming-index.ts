import { setImmediate } from "node:timers/promises";
import { HomewardError } from "../common/errors.ts";
import { decodeIndexMessage, type IndexHeader, type IndexRun } from "../protocol/residual/index-message.ts";
import { HASH_BYTES, type DeviceName } from "../protocol/residual/limits.ts";
import { Bitmap } from "./bitmap.ts";
import { Growing } from "./growing.ts";
import type { PerDevice, Place } from "./places.ts";

/** Runs that are taken over between two turns of the event loop. */
const RUNS_PER_TURN = 1024;

/** Blocks of one sort, as they came in the index. */
export interface DirtyRun {
  readonly device: DeviceName;
  readonly block: number;
  readonly count: number;
}

/** Blocks that hold what the generation holds elsewhere. */
export interface GenerationRun extends DirtyRun {
  readonly from: Place;
}

/** What the source says is dirty, as typed arrays: memory grows with the dirty blocks, not with the machine. */
export class IncomingIndex {
  readonly #sizes: PerDevice<number>;
  #header: IndexHeader | undefined;
  #sequence = 0;
  #complete = false;
  #device: DeviceName = "ram";
  /** End of the last run, below which no further run may start. */
  #position = 0;
  #ramContents = 0;
  readonly #contentBlocks = new Growing((n) => new Uint32Array(n));
  readonly #high = new Growing((n) => new Uint32Array(n));
  readonly #low = new Growing((n) => new Uint16Array(n));
  /** device, block, count of each run */
  readonly #zeroRuns = new Growing((n) => new Uint32Array(n));
  /** device, block, count, content of each run */
  readonly #repeatRuns = new Growing((n) => new Uint32Array(n));
  /** device, block, count, device and block in the generation of each run */
  readonly #generationRuns = new Growing((n) => new Uint32Array(n));
  readonly dirty: PerDevice<Bitmap>;
  #zero = 0;
  #generation = 0;
  #repeats = 0;

  /** @param sizes blocks of the generation's devices, which the index must agree with */
  constructor(sizes: PerDevice<number>) {
    this.#sizes = sizes;
    this.dirty = { ram: new Bitmap(sizes.ram), disk: new Bitmap(sizes.disk) };
  }

  get complete(): boolean {
    return this.#complete;
  }

  get hashBits(): number {
    return this.#header?.hashBits ?? 0;
  }

  /** How many contents are distinct and not zero. */
  get contents(): number {
    return this.#contentBlocks.length;
  }

  get zero(): number {
    return this.#zero;
  }

  get repeats(): number {
    return this.#repeats;
  }

  /** How many blocks hold what the generation holds elsewhere. */
  get generation(): number {
    return this.#generation;
  }

  /** Bits 0 to 31 of each content's hash, from the top; bits that the index does not carry are zero. */
  get high(): Uint32Array {
    return this.#high.view();
  }

  /** Bits 32 to 47. */
  get low(): Uint16Array {
    return this.#low.view();
  }

  /** The first dirty block that has the content. */
  place(content: number): Place {
    return {
      device: content < this.#ramContents ? "ram" : "disk",
      block: this.#contentBlocks.view()[content] ?? 0,
    };
  }

  *zeroRuns(): Generator<DirtyRun, void, undefined> {
    const runs = this.#zeroRuns.view();
    for (let i = 0; i < runs.length; i += 3)
      yield { device: runs[i] === 0 ? "ram" : "disk", block: runs[i + 1] ?? 0, count: runs[i + 2] ?? 0 };
  }

  *repeatRuns(): Generator<DirtyRun & { readonly content: number }, void, undefined> {
    const runs = this.#repeatRuns.view();
    for (let i = 0; i < runs.length; i += 4)
      yield {
        device: runs[i] === 0 ? "ram" : "disk",
        block: runs[i + 1] ?? 0,
        count: runs[i + 2] ?? 0,
        content: runs[i + 3] ?? 0,
      };
  }

  *generationRuns(): Generator<GenerationRun, void, undefined> {
    const runs = this.#generationRuns.view();
    for (let i = 0; i < runs.length; i += 5)
      yield {
        device: runs[i] === 0 ? "ram" : "disk",
        block: runs[i + 1] ?? 0,
        count: runs[i + 2] ?? 0,
        from: { device: runs[i + 3] === 0 ? "ram" : "disk", block: runs[i + 4] ?? 0 },
      };
  }

  /** @throws PEER or DAMAGED when the message is malformed, out of order or about another machine */
  async add(data: Buffer): Promise<void> {
    if (this.#complete) throw new HomewardError("PEER", "the other host's index goes on after its end");
    const message = await decodeIndexMessage(data, this.#header);
    if (message.sequence !== this.#sequence) throw outOfOrder();
    this.#sequence++;
    if (message.header !== undefined) this.#begin(message.header);
    if (message.device !== this.#device) {
      if (message.device === "ram") throw outOfOrder();
      this.#device = "disk";
      this.#position = 0;
      this.#ramContents = this.contents;
    }
    let hash = 0;
    for (const [n, run] of message.runs.entries()) {
      // Before the first one as well: taking the message apart was a turn of its own.
      if (n % RUNS_PER_TURN === 0) await setImmediate();
      this.#addRun(run, message.hashes.subarray(hash));
      if (run.kind === "hashed") hash += run.count * HASH_BYTES;
    }
    if (!message.last) return;
    this.#complete = true;
    if (this.#device === "ram") this.#ramContents = this.contents;
  }

  #begin(header: IndexHeader): void {
    const { ram, disk } = this.#sizes;
    if (header.ramBlocks !== ram || header.diskBlocks !== disk)
      throw new HomewardError("PEER", "the other host's machine is not as large as the generation", {
        data: { expected: { ram, disk }, actual: { ram: header.ramBlocks, disk: header.diskBlocks } },
      });
    this.#header = header;
  }

  #addRun(run: IndexRun, hashes: Uint8Array): void {
    const { block, count } = run;
    if (block < this.#position) throw outOfOrder();
    this.#position = block + count;
    this.dirty[this.#device].setRange(block, count);
    const device = this.#device === "ram" ? 0 : 1;
    if (run.kind === "zero") {
      this.#zero += count;
      for (const value of [device, block, count]) this.#zeroRuns.push(value);
    } else if (run.kind === "repeat") {
      if (run.content + count > this.contents)
        throw new HomewardError("PEER", "the other host's index repeats a content that it has not named");
      this.#repeats += count;
      for (const value of [device, block, count, run.content]) this.#repeatRuns.push(value);
    } else if (run.kind === "generation") this.#addGeneration(device, run);
    else this.#addHashed(block, count, hashes);
  }

  /** The generation's RAM and disk are numbered through, so a run may go over from one to the other. */
  #addGeneration(device: number, { block, count, from }: IndexRun & { readonly kind: "generation" }): void {
    this.#generation += count;
    const inRam = Math.min(count, Math.max(0, this.#sizes.ram - from));
    if (inRam > 0) for (const value of [device, block, inRam, 0, from]) this.#generationRuns.push(value);
    if (inRam === count) return;
    const onDisk = from + inRam - this.#sizes.ram;
    for (const value of [device, block + inRam, count - inRam, 1, onDisk]) this.#generationRuns.push(value);
  }

  #addHashed(block: number, count: number, hashes: Uint8Array): void {
    const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
    for (let i = 0; i < count; i++) {
      this.#contentBlocks.push(block + i);
      this.#high.push(view.getUint32(i * HASH_BYTES));
      this.#low.push(view.getUint16(i * HASH_BYTES + 4));
    }
  }
}

function outOfOrder(): HomewardError {
  return new HomewardError("PEER", "the other host's index is out of order");
}
