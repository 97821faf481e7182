import type { WorkspaceStatus } from "../../protocol/control.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import { median } from "./learn.ts";

const BLOCK_BYTES = 4096;
/** A shorter session, or less written, says nothing about a longer one. */
const MIN_RECORDED_S = 10;
const MIN_WRITTEN_BYTES = 1024 * 1024;
/** Beyond this, what an earlier move took is no measure any more. */
const MAX_RATIO = 8;

/** What is known about a workspace before it moves. */
export type BeforeMove = Pick<WorkspaceStatus, "log"> & { readonly writtenBytes: number };

export interface MoveEstimate {
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * About what moving a workspace would cost, from what moves between the same two hosts took: what grows with use (blocks to
 * name and to send, the time of the replay) is scaled by how long was worked and how much was written since, compared with
 * then; the rest is taken as it was, and bytes go as fast as they did. The median of what the moves say.
 * @param moves their reports; empty gives null: nothing is known yet
 */
export function estimateMove(now: BeforeMove, moves: readonly MigrationReport[]): MoveEstimate | null {
  const told = moves.map((move) => scaled(now, move));
  if (told.length === 0) return null;
  return { bytes: Math.round(median(told.map(({ bytes }) => bytes)) ?? 0), seconds: median(told.map(({ seconds }) => seconds)) ?? 0 };
}

function scaled({ log, writtenBytes }: BeforeMove, { bytes, blocks, phases, recorded_s: recordedS }: MigrationReport): MoveEstimate {
  const worked = ratio((log?.durationMs ?? 0) / 1000, recordedS, MIN_RECORDED_S);
  const written = ratio(writtenBytes, blocks.disk_dirty * BLOCK_BYTES, MIN_WRITTEN_BYTES);
  const use = Math.max(worked, written);
  const fixed = bytes.device + bytes.control;
  const total = fixed + (log?.bytes ?? 0) + (bytes.total - fixed - bytes.log) * use;
  const sendingS = phases.log_s + phases.index_s + phases.residual_s;
  const otherS = Math.max(0, phases.click_to_usable_s - sendingS - phases.replay_s);
  return { bytes: total, seconds: otherS + phases.replay_s * worked + (sendingS * total) / Math.max(1, bytes.total) };
}

/** How many times more than then; what is below `least` counts as that much. */
function ratio(now: number, then: number, least: number): number {
  return Math.min(MAX_RATIO, Math.max(now, least) / Math.max(then, least));
}
