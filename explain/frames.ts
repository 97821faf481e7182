import { BLOCK_BYTES } from "../syncer/index.ts";

const GIB_FRAMES = (1024 * 1024 * 1024) / BLOCK_BYTES;
/** Of a PC with the i440FX chip set and memory of 3.5 GiB or more, 3 GiB lie below the devices and the rest from 4 GiB on (QEMU, hw/i386/pc_piix.c). */
const SPLIT_FROM_FRAMES = 3.5 * GIB_FRAMES;
const LOW_FRAMES = 3 * GIB_FRAMES;
const HIGH_FRAME = 4 * GIB_FRAMES;

/** Where the blocks of a RAM file lie in the guest's physical memory. A frame is a physical page of 4 KiB. */
export class Frames {
  readonly blocks: number;
  readonly #split: boolean;

  /** @param blocks of the RAM file */
  constructor(blocks: number) {
    this.blocks = blocks;
    this.#split = blocks >= SPLIT_FROM_FRAMES;
  }

  frameOf(block: number): number {
    return this.#split && block >= LOW_FRAMES ? block - LOW_FRAMES + HIGH_FRAME : block;
  }

  /** Null where no RAM is. */
  blockOf(frame: number): number | null {
    const block = this.#split && frame >= LOW_FRAMES ? frame - HIGH_FRAME + LOW_FRAMES : frame;
    if (this.#split && frame >= LOW_FRAMES && frame < HIGH_FRAME) return null;
    return block >= 0 && block < this.blocks ? block : null;
  }
}
