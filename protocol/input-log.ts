/**
 * The input log: what the user did since a generation, and what the screen looked like before each action.
 * This file is the format's public face; docs of the bytes are in input-log/segment.ts and input-log/event-codec.ts.
 */
export * from "./input-log/events.ts";
export { CheckpointState, gridColumns, gridRows } from "./input-log/checkpoint-state.ts";
export {
  decodeSegment,
  encodeSegment,
  mergeSegments,
  readableEvents,
  type NumberedSegment,
} from "./input-log/segment.ts";
