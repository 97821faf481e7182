/** Sizes of the residual exchange. Both sides must agree on all of them; RESIDUAL_FORMAT changes when one does. */

export const RESIDUAL_FORMAT = 3;

/** The unit of comparing, hashing and shipping: a guest page, an `extended_l2` subcluster. */
export const BLOCK_BYTES = 4096;
/** 16 TiB a device; block numbers fit 32 bits. */
export const MAX_DEVICE_BLOCKS = 0xffff_ffff;

/** No message of the exchange is larger. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** No residual frame is larger: its blocks stored as they are, plus its header. */
export const MAX_FRAME_BYTES = 2 * 1024 * 1024;

/** Bytes of truncated SHA-1 that are computed and cached for a block; an index carries a prefix of them. */
export const HASH_BYTES = 8;
export const MIN_HASH_BITS = 8;
export const MAX_HASH_BITS = 48;

/** Blocks of one residual frame: 1 MiB before compression. */
export const FRAME_BLOCKS = 256;

/** Levels of packing: 1 to 19 are zstd's, the last one is that of syncer/page-model with zstd 19 beside it. */
export const MOST_ZSTD_LEVEL = 19;
export const MODEL_LEVEL = 20;

/** Which device of the machine a message speaks of. */
export const DEVICES = ["ram", "disk"] as const;
export type DeviceName = (typeof DEVICES)[number];

/** A run of adjacent blocks of one device. */
export interface BlockRange {
  readonly block: number;
  readonly count: number;
}
