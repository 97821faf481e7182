import { z } from "zod";
import { HomewardError } from "../common/errors.ts";
import { migrationReportSchema as migrated, type MigrationReport } from "../protocol/report.ts";

const count = z.int().nonnegative();

/** What the demo proved and measured: the last line of `--json`. Seconds end in `_s`, sizes are bytes, blocks are 4 KiB. */
export const demoReportSchema = z.strictObject({
  type: z.literal("report"),
  /** A separate program found RAM, device state and every disk block of both hosts identical, before the resume. */
  verified: z.boolean(),
  root_source: migrated.shape.root_source,
  root_destination: migrated.shape.root_destination,
  owner: migrated.shape.owner,
  ...migrated.pick({ recorded_s: true, think_s: true, events: true, checkpoints: true, phases: true, blocks: true }).shape,
  /** `total` was counted on the line between the hosts, the kinds by the hosts themselves. */
  bytes: migrated.shape.bytes,
  compare: z.strictObject({ stop_and_copy_bytes: count, overlay_bytes: count }),
  back: z.strictObject({ verified: z.boolean(), bytes: count }),
  /** Folder with the pictures. */
  out: z.string(),
});

export type DemoReport = z.output<typeof demoReportSchema>;

/** One migration as the demo saw it. */
export interface Move {
  readonly report: MigrationReport;
  /** Counted on the line. */
  readonly linkBytes: number;
  readonly verified: boolean;
  /** From asking the destination to start the machine until its whole screen could be seen. */
  readonly resumeS: number;
}

/** Share by which the hosts' own counts may differ from the line's. */
const MAX_COUNT_ERROR = 0.01;

/** @throws INTERNAL when the kinds of bytes that the hosts counted do not sum to what crossed the line, within 1 % */
export function checkByteCounts({ report, linkBytes }: Move): void {
  const { log, index, need, residual, device, control } = report.bytes;
  const sum = log + index + need + residual + device + control;
  if (Math.abs(sum - linkBytes) > MAX_COUNT_ERROR * linkBytes)
    throw new HomewardError("INTERNAL", `the hosts account for ${sum} bytes, but ${linkBytes} crossed the link`, {
      data: { bytes: report.bytes, linkBytes },
    });
}

/** Milliseconds are as fine as anything here is measured. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function demoReport(parts: {
  readonly there: Move;
  readonly back: Move;
  readonly stopAndCopyBytes: number;
  readonly overlayBytes: number;
  readonly out: string;
}): DemoReport {
  const { there, back, stopAndCopyBytes, overlayBytes, out } = parts;
  const { report, resumeS } = there;
  const { phases, bytes } = report;
  return {
    type: "report",
    verified: there.verified && report.verified,
    root_source: report.root_source,
    root_destination: report.root_destination,
    owner: report.owner,
    recorded_s: rounded(report.recorded_s),
    think_s: rounded(report.think_s),
    events: report.events,
    checkpoints: report.checkpoints,
    phases: {
      suspend_s: rounded(phases.suspend_s),
      log_s: rounded(phases.log_s),
      replay_s: rounded(phases.replay_s),
      index_s: rounded(phases.index_s),
      residual_s: rounded(phases.residual_s),
      verify_s: rounded(phases.verify_s),
      // The machine was held for the comparison of the files, which no user waits for; both parts of the way count.
      resume_s: rounded(phases.resume_s + resumeS),
      click_to_usable_s: rounded(phases.click_to_usable_s + resumeS),
    },
    bytes: { ...bytes, total: there.linkBytes },
    blocks: report.blocks,
    compare: { stop_and_copy_bytes: stopAndCopyBytes, overlay_bytes: overlayBytes },
    back: { verified: back.verified && back.report.verified, bytes: back.linkBytes },
    out,
  };
}
