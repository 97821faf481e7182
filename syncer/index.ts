export { Bitmap } from "./bitmap.ts";
export { BlockHashes } from "./block-hashes.ts";
export {
  BLOCK_BYTES,
  FileBlocks,
  openFileBlocks,
  type BlockDevice,
  type BlockRange,
  type WritableBlockDevice,
} from "./block-device.ts";
export { copyFileSparse } from "./copy-sparse.ts";
export { applyDelta, encodeDelta } from "./delta.ts";
export { dirtyBlocks } from "./dirty.ts";
export { generationRoot, type GenerationParts } from "./generation-root.ts";
export { HashPool } from "./hash-pool.ts";
export { MerkleTree } from "./merkle.ts";
export { answerNarrow, verifyAndRepair, type RepairOptions, type VerifiedTrees } from "./repair.ts";
export { ResidualSink, type ResidualSinkOptions, type SinkStats, type TwinDevices } from "./residual-sink.ts";
export { ResidualSource, type ResidualSourceOptions, type SourceStats } from "./residual-source.ts";
