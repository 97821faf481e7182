/** Side of a checkpoint cell, in pixels; cells at the right and bottom edge may be cut off. */
export const CELL_PIXELS = 16;

/** Bounds of one stored segment. A reader refuses what is larger, a writer never makes it. */
export const INPUT_LOG_LIMITS = {
  /** As stored, header included. */
  segmentBytes: 2 * 1024 * 1024,
  /** After decompression. */
  rawBytes: 8 * 1024 * 1024,
  /** Few enough that packing and unpacking do not hold up the event loop. */
  segmentEvents: 16_384,
  /** Cells that all checkpoints of a segment name, changed or volatile: a run of them takes a few bytes, whatever its length. */
  segmentCells: 1_048_576,
  /** Pixels of one side of the screen: 512 cells. */
  screenPixels: 8192,
  /** Of all segments that are merged or sent together. */
  logEvents: 4_194_304,
} as const;

/** "host-off": the plug was pulled, or QEMU died; what follows in the log, if anything, begins with a "host-reset". */
export type PowerAction = "host-reset" | "host-powerdown" | "guest-reset" | "guest-shutdown" | "host-off";
export type LogMark = "suspend" | "resume" | "record-pause" | "record-resume";

/**
 * What the screen looked like just before an action: mean luma (0 to 255) of 16x16-pixel cells, numbered row by row
 * from the top left.
 */
export interface Checkpoint {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Cell number -> luma, of the cells that differ from the previous checkpoint; all cells in the first of a recording
   * and after the screen changed its size. */
  readonly cells: ReadonlyMap<number, number>;
  /** Ascending numbers of cells that were changing by themselves or had not settled when this was taken. */
  readonly volatile: readonly number[];
  /** How long before the action this picture had arrived, in milliseconds: how long nothing had changed any more but
   * cells that change by themselves. A small age says that the picture may have been on the move. */
  readonly ageMs: number;
}

/** `keycode` is the XT scan code with 0xe0 prefixes as bit 7 (QEMU's extended key event); 0 when the viewer sent none. */
export interface KeyInput {
  readonly kind: "key";
  readonly down: boolean;
  /** X11 keysym. */
  readonly keysym: number;
  readonly keycode: number;
}

export interface PointerInput {
  readonly kind: "pointer";
  /** Pixels from the top left corner of the screen. */
  readonly x: number;
  readonly y: number;
  /** RFC 6143 7.5.5 button mask: 1 left, 2 middle, 4 right, 8 and 16 wheel. */
  readonly buttons: number;
}

/** One entry of the log; `atMs` is whole milliseconds of recorded time since the generation, never decreasing. */
export type InputEvent = { readonly atMs: number } & (
  | KeyInput
  | PointerInput
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint }
  | { readonly kind: "power"; readonly action: PowerAction }
  | { readonly kind: "network"; readonly connections: number }
  | { readonly kind: "mark"; readonly mark: LogMark }
);
