import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../common/abort.ts";
import { BLOCK_BYTES } from "../syncer/index.ts";
import type { BlockReader } from "./block-reader.ts";
import type { Frames } from "./frames.ts";

/**
 * Finds the kernel's array of page descriptors (`struct page`, 64 bytes each) and where it maps RAM, without symbols. An
 * empty list's head points to itself, so each one tells its own virtual address; descriptors hold a list head at byte 8.
 * In a stretch of the array most of them are empty, and virtual minus physical address is the same for all (x86-64 maps the
 * array by pages of 2 MiB, Documentation/mm/memory-model.rst, SPARSEMEM_VMEMMAP). Addresses are cut to their low 48 bits,
 * which a number holds exactly.
 */
export const DESCRIPTOR_BYTES = 64;
const CHUNK_BYTES = 2 * 1024 * 1024;
const CHUNK_BLOCKS = CHUNK_BYTES / BLOCK_BYTES;
const GIB = 1024 * 1024 * 1024;
const PIECE_BLOCKS = 64;
/** Blocks that are looked at, spread evenly when there are more. */
const BLOCKS_LOOKED_AT = 131_072;
/** The kernel's image is mapped from here on (arch/x86/include/asm/page_64_types.h, __START_KERNEL_map). */
export const IMAGE_ADDRESS = 0xffff_8000_0000;
/** In this part of a chunk's descriptors at least the list is empty. */
const EMPTY_SHARE = 0.04;

interface Chunk {
  /** First block of RAM. */
  readonly block: number;
  /** Low 48 bits of its virtual address. */
  readonly address: number;
}

export interface KernelMap {
  /** RAM block and number of the first frame described, of each 2 MiB of the array, by that number. */
  readonly chunks: ReadonlyMap<number, number>;
  /** Virtual address of frame 0's descriptor, low 48 bits. */
  readonly arrayAddress: number;
  /** Virtual address at which physical memory is mapped, or null. */
  readonly directAddress: number | null;
  /** Virtual minus physical address of the kernel's image, or null. */
  readonly imageOffset: number | null;
}

/** Frames that one chunk describes. */
export const CHUNK_FRAMES = CHUNK_BYTES / DESCRIPTOR_BYTES;

class Votes {
  readonly #votes = new Map<number, number>();

  add(value: number, count = 1): void {
    this.#votes.set(value, (this.#votes.get(value) ?? 0) + count);
  }

  clear(): void {
    this.#votes.clear();
  }

  entries(): IterableIterator<[number, number]> {
    return this.#votes.entries();
  }

  most(): { readonly value: number; readonly count: number } {
    let [value, count] = [0, 0];
    for (const [candidate, votes] of this.#votes) if (votes > count) [value, count] = [candidate, votes];
    return { value, count };
  }
}

/** Adds, for each head of an empty list at byte 8 of 64, its virtual minus its physical address. */
function voteFor(data: Buffer, physical: number, votes: Votes): void {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  for (let at = 0; at < words.length; at += 16) {
    const low = words[at + 2] ?? 0;
    const high = words[at + 3] ?? 0;
    if (high >>> 16 !== 0xffff || (low & 63) !== 8 || low !== words[at + 4] || high !== words[at + 5]) continue;
    votes.add((high & 0xffff) * 2 ** 32 + low - 8 - (physical + at * 4));
  }
}

interface Found {
  readonly chunks: readonly Chunk[];
  readonly others: Votes;
}

async function scan(ram: BlockReader, frames: Frames, progress: (blocks: number) => void, signal?: AbortSignal): Promise<Found> {
  const { device } = ram;
  const step = Math.max(1, Math.ceil(device.blocks / BLOCKS_LOOKED_AT));
  const chunks: Chunk[] = [];
  const others = new Votes();
  const votes = new Votes();
  for (let first = 0; first + CHUNK_BLOCKS <= device.blocks; first += CHUNK_BLOCKS) {
    throwIfAborted(signal);
    votes.clear();
    let looked = 0;
    for (let block = first; block < first + CHUNK_BLOCKS; block += PIECE_BLOCKS * step) {
      const data = await device.read(block, PIECE_BLOCKS);
      voteFor(data, frames.frameOf(block) * BLOCK_BYTES, votes);
      looked += data.length / DESCRIPTOR_BYTES;
    }
    const { value, count } = votes.most();
    const address = value + frames.frameOf(first) * BLOCK_BYTES;
    if (count > looked * EMPTY_SHARE && address % CHUNK_BYTES === 0 && address < IMAGE_ADDRESS)
      chunks.push({ block: first, address });
    else for (const [offset, times] of votes.entries()) others.add(offset, times);
    progress(first);
    await setImmediate();
  }
  return { chunks, others };
}

function mostWhere(votes: Votes, fits: (offset: number) => boolean): number | null {
  const chosen = new Votes();
  for (const [offset, count] of votes.entries()) if (fits(offset)) chosen.add(offset, count);
  const { value, count } = chosen.most();
  return count < 8 ? null : value;
}

/**
 * Looks through RAM for the array.
 * @param progress gets the blocks passed so far
 * @returns null where there is none: no Linux for x86-64, or one that keeps it otherwise
 */
export async function findKernelMap(
  ram: BlockReader,
  frames: Frames,
  progress: (blocks: number) => void,
  signal?: AbortSignal,
): Promise<KernelMap | null> {
  const { chunks, others } = await scan(ram, frames, progress, signal);
  const directAddress = mostWhere(others, (offset) => offset % GIB === 0 && offset < IMAGE_ADDRESS);
  const imageOffset = mostWhere(others, (offset) => offset >= IMAGE_ADDRESS - 64 * GIB && offset % CHUNK_BYTES === 0);
  // Objects in a full slab may look like descriptors; they lie where physical memory is mapped.
  const array = chunks.filter(({ block, address }) => address - frames.frameOf(block) * BLOCK_BYTES !== directAddress);
  if (array.length === 0) return null;
  const arrayAddress = Math.floor(Math.min(...array.map(({ address }) => address)) / GIB) * GIB;
  const known = new Map<number, number>();
  for (const { block, address } of array) known.set((address - arrayAddress) / DESCRIPTOR_BYTES, block);
  // Each 128 MiB of RAM that there are have one.
  const needed = Math.ceil(frames.blocks / CHUNK_FRAMES);
  return known.size * 2 < needed ? null : { chunks: known, arrayAddress, directAddress, imageOffset };
}
