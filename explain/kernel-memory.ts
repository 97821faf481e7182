import { BLOCK_BYTES } from "../syncer/index.ts";
import type { BlockReader } from "./block-reader.ts";
import { kernelPointer, readDescriptor, type Descriptor } from "./descriptor.ts";
import type { Frames } from "./frames.ts";
import type { Kind } from "./kinds.ts";
import { CHUNK_FRAMES, DESCRIPTOR_BYTES, findKernelMap, IMAGE_ADDRESS, type KernelMap } from "./page-array.ts";

/** What the kernel says of a page; `name` is the cache of a slab, null kind: of its own, and it says no more. */
export interface PageUse {
  readonly kind: Kind | null;
  readonly name: string | null;
}

const S_IFMT = 0xf000;
const S_IFBLK = 0x6000;
const DESCRIPTORS_PER_BLOCK = BLOCK_BYTES / DESCRIPTOR_BYTES;
/** Slabs that have to name a cache at an address of memory, of 100, before the flags are believed. */
const BELIEVED_PERCENT = 95;
const PROBED_BLOCKS = 64;
/** Where in a kmem_cache (include/linux/slub_def.h) the pointer to its name may be. */
const NAME_POINTERS = [64, 72, 80, 88, 96, 104, 112, 120, 128] as const;
const CACHE_BYTES = 136;
const MAX_NAME = 48;

/** What a Linux kernel's own records say of the pages of RAM. */
export class KernelMemory {
  readonly #ram: BlockReader;
  readonly #frames: Frames;
  readonly #map: KernelMap;
  readonly #names = new Map<number, string | null>();
  /** Whether the descriptors' fields are where they are looked for. */
  readonly #believed: boolean;

  private constructor(ram: BlockReader, frames: Frames, map: KernelMap, believed: boolean) {
    this.#ram = ram;
    this.#frames = frames;
    this.#map = map;
    this.#believed = believed;
  }

  /** @returns null where no array of page descriptors was found */
  static async find(ram: BlockReader, frames: Frames, progress: (blocks: number) => void, signal?: AbortSignal): Promise<KernelMemory | null> {
    const map = await findKernelMap(ram, frames, progress, signal);
    if (map === null) return null;
    const unproven = new KernelMemory(ram, frames, map, true);
    return new KernelMemory(ram, frames, map, await unproven.#provesItself());
  }

  get isBelieved(): boolean {
    return this.#believed;
  }

  /** Slabs must name a cache, page tables and free blocks must be there: otherwise this is another kernel's layout. */
  async #provesItself(): Promise<boolean> {
    let [slabs, good] = [0, 0];
    const step = Math.max(1, Math.floor(this.#frames.blocks / (PROBED_BLOCKS * DESCRIPTORS_PER_BLOCK)));
    for (let i = 0; i < this.#frames.blocks; i += step * DESCRIPTORS_PER_BLOCK) {
      for (let frame = i; frame < i + DESCRIPTORS_PER_BLOCK; frame++) {
        const descriptor = await this.#descriptor(frame);
        if (descriptor?.slab !== true || descriptor.headAddress !== null) continue;
        slabs++;
        if (this.#blockAt(descriptor.cacheAddress) !== null) good++;
      }
    }
    return slabs > 0 && good * 100 >= slabs * BELIEVED_PERCENT;
  }

  /** Whether the block is part of the array itself. */
  #isArray(block: number): boolean {
    for (const first of this.#map.chunks.values()) if (block >= first && block < first + (CHUNK_FRAMES * DESCRIPTOR_BYTES) / BLOCK_BYTES) return true;
    return false;
  }

  /** Position in RAM of a kernel address, or null. */
  #position(address: number): number | null {
    const { directAddress, imageOffset } = this.#map;
    const offset = address >= IMAGE_ADDRESS ? imageOffset : directAddress;
    if (offset === null || address < offset) return null;
    const physical = address - offset;
    const block = this.#frames.blockOf(Math.floor(physical / BLOCK_BYTES));
    return block === null ? null : block * BLOCK_BYTES + (physical % BLOCK_BYTES);
  }

  #blockAt(address: number): number | null {
    const position = this.#position(address);
    return position === null ? null : Math.floor(position / BLOCK_BYTES);
  }

  async #descriptor(frame: number): Promise<Descriptor | null> {
    const chunk = frame - (frame % CHUNK_FRAMES);
    const first = this.#map.chunks.get(chunk);
    if (first === undefined) return null;
    const data = await this.#ram.from(first * BLOCK_BYTES + (frame - chunk) * DESCRIPTOR_BYTES);
    return data === null ? null : readDescriptor(data);
  }

  /** The use of a block of RAM; null where nothing is known of it. */
  async useOf(block: number): Promise<PageUse | null> {
    if (this.#isArray(block)) return { kind: "page-descriptors", name: null };
    if (!this.#believed) return null;
    const frame = this.#frames.frameOf(block);
    const own = await this.#descriptor(frame);
    if (own === null) return null;
    const head = own.headAddress === null ? own : await this.#descriptor(this.#frameDescribedAt(own.headAddress));
    return head === null ? null : this.#use(own, head);
  }

  #frameDescribedAt(address: number): number {
    return Math.floor((address - this.#map.arrayAddress) / DESCRIPTOR_BYTES);
  }

  async #use(own: Descriptor, head: Descriptor): Promise<PageUse> {
    const plain = (kind: Kind | null): PageUse => ({ kind, name: null });
    if (head.reserved) return plain("kernel-image");
    if (head.slab) return { kind: "slab", name: await this.#cacheName(head.cacheAddress) };
    if (own.type === "table") return plain("page-tables");
    // In the free lists, where only the first of 2 ** n pages says so; or kept for one processor.
    if (own.type === "buddy" || head.references === 0) return plain("free");
    if (head.mapping === "anonymous") return plain("user");
    if (head.mapping === "none") return plain(null);
    if (head.swapBacked) return plain("shared-memory");
    const mode = await this.#modeOfHost(head.mappingAddress);
    return plain(mode !== null && (mode & S_IFMT) === S_IFBLK ? "metadata-cache" : "page-cache");
  }

  /** i_mode of the inode that an address_space belongs to; both have what is wanted first (include/linux/fs.h). */
  async #modeOfHost(address: number): Promise<number | null> {
    const space = await this.#at(address, 8);
    if (space === null) return null;
    const inode = await this.#at(kernelPointer(space.readUInt32LE(0), space.readUInt32LE(4)), 2);
    return inode === null ? null : inode.readUInt16LE(0);
  }

  async #at(address: number, bytes: number): Promise<Buffer | null> {
    const position = this.#position(address);
    const data = position === null ? null : await this.#ram.from(position);
    return data === null || data.length < bytes ? null : data;
  }

  async #cacheName(address: number): Promise<string | null> {
    const known = this.#names.get(address);
    if (known !== undefined) return known;
    const name = await this.#readCacheName(address);
    if (this.#names.size < 10_000) this.#names.set(address, name);
    return name;
  }

  async #readCacheName(address: number): Promise<string | null> {
    const cache = await this.#at(address, CACHE_BYTES);
    if (cache === null) return null;
    for (const at of NAME_POINTERS) {
      const text = await this.#at(kernelPointer(cache.readUInt32LE(at), cache.readUInt32LE(at + 4)), 3);
      const name = text === null ? null : /^[a-zA-Z][\w:./() -]{2,}(?=\0)/.exec(text.toString("latin1", 0, MAX_NAME));
      if (name !== null) return name[0];
    }
    return null;
  }
}
