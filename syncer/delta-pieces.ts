/** A stretch of a device state, and the stretch of the base in which most of it is found. */
export interface DeltaPiece {
  readonly at: number;
  readonly length: number;
  readonly baseAt: number;
  readonly baseLength: number;
}

const MIB = 1024 * 1024;
/** Pieces are between this and twice as long, but for states that are shorter. */
const PIECE_BYTES = 2 * MIB;
/** Of the base, for each piece. Nothing that is sought lies further back than the compressor's tables reach (4 Mi places). */
const BASE_BYTES = 4 * MIB - 64 * 1024;

/**
 * Cuts a device state into pieces of nearly the same length, in order; both sides do it. The base's stretches are spread
 * over the base as the pieces are over the state, so that beginnings meet and ends meet, whatever grew in between.
 */
export function deltaPieces(bytes: number, baseBytes: number): DeltaPiece[] {
  const count = Math.max(1, Math.floor(Math.max(bytes, baseBytes) / PIECE_BYTES));
  const baseLength = Math.min(baseBytes, BASE_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor((bytes * i) / count);
    const baseAt = Math.floor(((baseBytes - baseLength) * i) / Math.max(1, count - 1));
    return { at, length: Math.floor((bytes * (i + 1)) / count) - at, baseAt, baseLength };
  });
}
