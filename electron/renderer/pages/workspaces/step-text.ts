import type { ProgressUpdate } from "../../../../common/progress.ts";
import { formatBytes, formatSeconds } from "../../../../common/quantities.ts";
import { texts } from "../../texts/texts.ts";

/** A step of something long, and about how long it will still take; too short a rest is not worth a word. */
export function stepText({ phase }: ProgressUpdate, leftMs: number | undefined): string {
  const step = texts.workspaces.phases[phase] ?? phase;
  return leftMs === undefined || leftMs < 1000 ? step : `${step} · ${texts.shell.timeLeft(formatSeconds(Math.round(leftMs / 1000)))}`;
}

/** The same with how many bytes are done. */
export function bytesText(update: ProgressUpdate, leftMs: number | undefined): string {
  const { done, total, unit } = update;
  const step = stepText(update, leftMs);
  return unit !== "bytes" || total === undefined ? step : `${step} · ${texts.layDown.amount(formatBytes(done), formatBytes(total))}`;
}
