/** The formats of the residual exchange; docs/protocol.md shows them together. */
export { MESSAGE_KINDS, type MessageKind } from "./residual/envelope.ts";
export { checksumOf, encodeFrame, encodeModelFrame, openFrame, type ModelPages, type OpenedFrame } from "./residual/frame-message.ts";
export { chooseHashBits, packHashes, unpackHashes } from "./residual/hash-bits.ts";
export {
  decodeIndexMessage,
  encodeIndexMessage,
  MAX_INDEX_HASHES,
  MAX_INDEX_RUNS,
  type IndexHeader,
  type IndexMessage,
  type IndexRun,
} from "./residual/index-message.ts";
export * from "./residual/limits.ts";
export {
  decodeNeedMessage,
  encodeNeedMessage,
  MAX_NEED_CONTENTS,
  type NeedMessage,
} from "./residual/need-message.ts";
export {
  decodeNarrowRequest,
  decodeNodes,
  decodeRefetchRequest,
  encodeNarrowRequest,
  encodeNodes,
  encodeRefetchRequest,
  MAX_NARROW_NODES,
  MAX_REFETCH_BLOCKS,
  NODE_PREFIX_BYTES,
  type NarrowRequest,
  type RefetchRequest,
} from "./residual/repair-messages.ts";
