import type { MigrationReport } from "../../protocol/report.ts";
import { FRAME_HEADER_BYTES } from "../../protocol/wire.ts";

/** From so many of the newest moves of a workspace between two hosts. */
export const LEARNED_FROM = 3;
/** A replay that had less to go through says nothing about how fast one goes. */
const MIN_ACTIVE_S = 5;

/** What earlier moves of a workspace between two hosts say about the next one. */
export interface Learned {
  /** Bytes that a replay left to be sent, for each distinct content that the generation did not have; null: not known yet. */
  readonly leftPerContent: number | null;
  /** Seconds of a replay for one of the recording, think time left out. */
  readonly pace: number;
  /** Device state and everything about the exchange itself. */
  readonly restBytes: number;
  /** From the last byte until the machine runs. */
  readonly afterS: number;
  /** Bits a second of the slowest link of these moves; null: never measured. */
  readonly bitsPerSecond: number | null;
}

export const NOTHING_LEARNED: Learned = { leftPerContent: null, pace: 1, restBytes: 25_000, afterS: 3, bitsPerSecond: null };

/**
 * The median of what the moves say. A replay that was ended because waiting for it did not pay says nothing of what a whole one
 * leaves; one that strayed does, and so does a log that was sent to a host that had no room for a twin.
 */
export function learnFrom(moves: readonly MigrationReport[]): Learned {
  const replays = moves.filter(({ mode, bytes, choice }) => mode === "replay" && bytes.log > FRAME_HEADER_BYTES && (choice?.stopped ?? null) === null);
  const left = replays.flatMap(({ bytes, blocks: { twin, shipped } }) => (twin + shipped === 0 ? [] : [bytes.residual / (twin + shipped)]));
  const paces = replays.flatMap(({ replay, recorded_s, think_s, phases }) => {
    const activeS = recorded_s - think_s;
    return activeS < MIN_ACTIVE_S || replay === null || replay.gave_up !== null ? [] : [phases.replay_s / activeS];
  });
  const rates = moves.flatMap(({ choice }) => choice?.bits_per_s ?? []);
  return {
    leftPerContent: median(left),
    pace: median(paces) ?? NOTHING_LEARNED.pace,
    restBytes: median(moves.map(({ bytes }) => bytes.device + bytes.control)) ?? NOTHING_LEARNED.restBytes,
    afterS: median(moves.map(({ phases }) => phases.verify_s + phases.resume_s)) ?? NOTHING_LEARNED.afterS,
    bitsPerSecond: rates.length === 0 ? null : Math.min(...rates),
  };
}

/** The lower one of two in the middle; null of nothing. */
export function median(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;
}
