import { BLOCK_BYTES } from "../syncer/index.ts";
import type { Kind } from "./kinds.ts";

/** What the words of a block look like, each 8 bytes, little-endian. */
interface Words {
  readonly zero: number;
  /** Into the kernel's image or its modules. */
  readonly image: number;
  /** How many of those are different ones. */
  readonly imagePlaces: number;
  /** Into other memory of the kernel. */
  readonly kernel: number;
  /** Into a program's libraries, stack or heap. */
  readonly program: number;
  /** Like entries of page tables that name a frame of RAM. */
  readonly entries: number;
}

const WORDS = BLOCK_BYTES / 8;
/** include/uapi/linux/magic.h: lies at the lowest address of every kernel stack. */
const STACK_END_MAGIC = 0x57ac_6e9d;
const PRESENT_AND_ACCESSED = 0x21;

function isEntry(low: number, high: number, frames: number): boolean {
  if ((low & PRESENT_AND_ACCESSED) !== PRESENT_AND_ACCESSED || (high & 0x7ff0_0000) !== 0) return false;
  const frame = (high & 0x000f_ffff) * 2 ** 20 + (low >>> 12);
  return frame > 0 && frame < frames;
}

function countWords(data: Buffer, frames: number): Words {
  let [zero, image, kernel, program, entries] = [0, 0, 0, 0, 0];
  const places = new Set<number>();
  for (let at = 0; at < data.length; at += 8) {
    const low = data.readUInt32LE(at);
    const high = data.readUInt32LE(at + 4);
    if (low === 0 && high === 0) zero++;
    else if (high === 0xffff_ffff && low >= 0x8000_0000 && low < 0xffff_0000) {
      image++;
      places.add(low);
    } else if (high >>> 16 === 0xffff && (high & 0x8000) !== 0 && high !== 0xffff_ffff) kernel++;
    else if (high >= 0x5500 && high < 0x8000) program++;
    else if (isEntry(low, high, frames)) entries++;
  }
  return { zero, image, imagePlaces: places.size, kernel, program, entries };
}

/** Whether the block can be a page table of any level, all of whose entries name RAM. */
export function looksLikePageTable(data: Buffer, frames: number): boolean {
  const { zero, entries } = countWords(data, frames);
  return entries > 0 && zero + entries === WORDS;
}

/** Whether the block can be of a kernel stack: it ends one, or holds many places in the kernel to return to, hardly one of them twice. */
export function looksLikeKernelStack(data: Buffer): boolean {
  if (data.readUInt32LE(0) === STACK_END_MAGIC && data.readUInt32LE(4) === 0) return true;
  const { zero, image, imagePlaces, kernel, program } = countWords(data, 0);
  return imagePlaces >= 12 && imagePlaces * 10 >= image * 7 && kernel >= 8 && program * 4 < image && image * 20 > WORDS - zero;
}

/** Of a block of RAM of which no more is known than its contents. @param frames of RAM, in number */
export function kindByContents(data: Buffer, frames: number): Kind {
  const words = countWords(data, frames);
  const used = WORDS - words.zero;
  if (used === 0) return "zero";
  if (looksLikePageTable(data, frames)) return "page-tables";
  if (looksLikeKernelStack(data)) return "kernel-stack";
  const pointers = words.kernel + words.image;
  if (pointers * 12 > used && pointers > words.program) return "slab";
  if (words.program * 25 > used) return "user";
  return isText(data) ? "page-cache" : "unknown";
}

/** Printable ASCII and white space, nine in ten bytes. */
export function isText(data: Buffer): boolean {
  let printable = 0;
  for (const byte of data) if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x09) printable++;
  return printable * 10 >= data.length * 9;
}
