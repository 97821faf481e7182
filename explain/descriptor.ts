import { DESCRIPTOR_BYTES } from "./page-array.ts";

/**
 * One page descriptor of Linux 6.1 for x86-64 (include/linux/mm_types.h, struct page and struct slab;
 * include/linux/page-flags.h, enum pageflags, and page types, which stand where mapped pages have their count).
 */
export interface Descriptor {
  readonly reserved: boolean;
  readonly slab: boolean;
  readonly swapBacked: boolean;
  readonly type: "buddy" | "table" | null;
  /** 0: nobody uses the page; in a later page of several it is always 0. */
  readonly references: number;
  /** Bits of `mapping`: what the page holds the contents of. */
  readonly mapping: "none" | "anonymous" | "file";
  /** Low 48 bits of `mapping` without its two marks: an address_space where it is "file". */
  readonly mappingAddress: number;
  /** Low 48 bits; of a slab's first page its kmem_cache. */
  readonly cacheAddress: number;
  /** Low 48 bits of the descriptor of the first page, where this is a later one of several; else null. */
  readonly headAddress: number | null;
}

const PG_SLAB = 1 << 9;
const PG_RESERVED = 1 << 12;
const PG_SWAPBACKED = 1 << 19;
const TYPE_BASE = 0xf000_0000;
const TYPE_BUDDY = 0x80;
const TYPE_TABLE = 0x200;

/** Low 48 bits of a pointer into the kernel's half of the address space; 0 for anything else. */
export function kernelPointer(low: number, high: number): number {
  return high >>> 16 === 0xffff ? (high & 0xffff) * 2 ** 32 + low : 0;
}

function typeOf(word: number): Descriptor["type"] {
  // Types are told by bits that are clear; no type at all is -1.
  if (word === 0xffff_ffff || (word & TYPE_BASE) >>> 0 !== TYPE_BASE) return null;
  if ((word & TYPE_BUDDY) === 0) return "buddy";
  return (word & TYPE_TABLE) === 0 ? "table" : null;
}

function mappingOf(low: number, pointer: number): Descriptor["mapping"] {
  if (pointer === 0) return "none";
  if ((low & 1) !== 0) return "anonymous";
  return (low & 2) === 0 ? "file" : "none";
}

/** Reads the descriptor at the beginning of `data`, at least 64 bytes. */
export function readDescriptor(data: Buffer): Descriptor {
  const word = (at: number): number => data.readUInt32LE(at);
  const flags = word(0);
  const pointer = kernelPointer(word(24), word(28));
  const head = kernelPointer(word(8), word(12));
  return {
    reserved: (flags & PG_RESERVED) !== 0,
    slab: (flags & PG_SLAB) !== 0,
    swapBacked: (flags & PG_SWAPBACKED) !== 0,
    type: typeOf(word(48)),
    references: word(52),
    mapping: mappingOf(word(24), pointer),
    mappingAddress: pointer - (pointer % 4),
    cacheAddress: pointer,
    headAddress: (word(8) & 1) === 1 && head % DESCRIPTOR_BYTES === 1 ? head - 1 : null,
  };
}
