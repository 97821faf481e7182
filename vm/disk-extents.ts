import type { NbdExtent } from "./nbd-stream.ts";

export const BLOCK_BYTES = 4096;

/** A run of 4 KiB blocks that have something in common. */
export interface Extent {
  readonly block: number;
  readonly count: number;
  /** "zero" reads as zeros and takes no room, e.g. because the guest discarded it. */
  readonly kind: "data" | "zero";
}

/** A run of bytes of one kind; "none" is of no interest. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
  readonly kind: "data" | "zero" | "none";
}

/** What two status lists say together, run by run, as far as both reach and at most `bytes` far. */
export function* inStep(
  left: readonly NbdExtent[],
  right: readonly NbdExtent[],
  bytes: number,
): Generator<{ readonly bytes: number; readonly left: number; readonly right: number }> {
  let [l, r, done] = [0, 0, 0];
  let [leftUsed, rightUsed] = [0, 0];
  for (let a = left[l], b = right[r]; a !== undefined && b !== undefined && done < bytes; a = left[l], b = right[r]) {
    const run = Math.min(a.bytes - leftUsed, b.bytes - rightUsed, bytes - done);
    if (run > 0) yield { bytes: run, left: a.flags, right: b.flags };
    done += run;
    leftUsed += run;
    rightUsed += run;
    if (leftUsed >= a.bytes) [l, leftUsed] = [l + 1, 0];
    if (rightUsed >= b.bytes) [r, rightUsed] = [r + 1, 0];
  }
}

/**
 * Whole blocks from runs of bytes in ascending order. A block that is only partly zero or partly of interest counts as
 * data: its content has to be looked at.
 */
export async function* blockExtents(pieces: AsyncIterable<Piece>): AsyncGenerator<Extent> {
  let open: Extent | undefined;
  for await (const piece of pieces) {
    for (const part of wholeBlocks(piece)) {
      const start = open === undefined ? part.start : Math.max(part.start, open.block + open.count);
      if (start >= part.end) continue;
      if (open?.kind === part.kind && open.block + open.count === start) {
        open = { ...open, count: part.end - open.block };
      } else {
        if (open !== undefined) yield open;
        open = { block: start, count: part.end - start, kind: part.kind };
      }
    }
  }
  if (open !== undefined) yield open;
}

interface BlockRange {
  readonly start: number;
  readonly end: number;
  readonly kind: "data" | "zero";
}

function wholeBlocks({ offset, bytes, kind }: Piece): BlockRange[] {
  if (kind === "none" || bytes === 0) return [];
  const outer = { start: Math.floor(offset / BLOCK_BYTES), end: Math.ceil((offset + bytes) / BLOCK_BYTES) };
  if (kind === "data") return [{ ...outer, kind }];
  const start = Math.ceil(offset / BLOCK_BYTES);
  const end = Math.max(start, Math.floor((offset + bytes) / BLOCK_BYTES));
  const ranges: BlockRange[] = [
    { start: outer.start, end: start, kind: "data" },
    { start, end, kind },
    { start: end, end: outer.end, kind: "data" },
  ];
  return ranges.filter((range) => range.start < range.end);
}
