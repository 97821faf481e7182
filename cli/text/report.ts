import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCount, formatSeconds, formatShare } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import type { MigrationRow } from "../../protocol/control.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import { shortRoot } from "./workspace.ts";

const PHASES = {
  suspend_s: "suspend",
  log_s: "send the log",
  replay_s: "replay",
  index_s: "index",
  residual_s: "send the rest",
  verify_s: "verify",
  resume_s: "resume",
} as const;

const BYTES = {
  log: "input log",
  index: "index",
  need: "what is needed",
  residual: "residual",
  device: "device state",
  control: "control",
} as const;

function replayText(report: MigrationReport): string[] {
  const { replay, checkpoints } = report;
  if (replay === null) return [];
  const lines = [
    `Replay: ${formatCount(report.events)} events, recorded in ${formatSeconds(report.recorded_s)}` +
      ` of which ${formatSeconds(report.think_s)} were pauses;` +
      ` ${checkpoints.matched} of ${checkpoints.total} checkpoints matched, ${checkpoints.missed} missed`,
  ];
  if (replay.gave_up !== null) lines.push(`It stopped early: ${printable(replay.gave_up)}`);
  for (const part of replay.path.filter(({ kind }) => kind !== "same"))
    lines.push(`  steps ${part.from_step} to ${part.to_step}: ${printable(part.text)}`);
  return lines;
}

/** A migration's report for people: what moved, where the time and the bytes went. */
export function reportText(report: MigrationReport): string {
  const { bytes, blocks, phases } = report;
  const dirty = blocks.ram_dirty + blocks.disk_dirty;
  const what = report.kind === "measurement" ? "Rehearsed moving" : "Moved";
  const phaseRows = (Object.keys(PHASES) as (keyof typeof PHASES)[]).map((key) => [
    PHASES[key],
    formatSeconds(phases[key]),
  ]);
  const byteRows = (Object.keys(BYTES) as (keyof typeof BYTES)[]).map((key) => [
    BYTES[key],
    formatBytes(bytes[key]),
    formatShare(bytes[key], bytes.total),
  ]);
  return [
    `${what} ${report.workspace} from ${report.from} to ${report.to} by ${report.mode}` +
      ` in ${formatSeconds(phases.click_to_usable_s)}; it belongs to ${report.owner} now.`,
    report.verified
      ? `Verified: both hosts have generation ${shortRoot(report.root_destination)}.`
      : `NOT VERIFIED: ${shortRoot(report.root_source)} there was made from ${shortRoot(report.root_destination)}.`,
    "",
    formatTable([...phaseRows, ["total", formatSeconds(phases.click_to_usable_s)]], ["left", "right"], "  "),
    "",
    formatTable([...byteRows, ["total", formatBytes(bytes.total)]], ["left", "right", "right"], "  "),
    "",
    `Changed: ${formatCount(blocks.ram_dirty)} blocks of memory, ${formatCount(blocks.disk_dirty)} of disk (4 KiB each).` +
      ` Found in the generation ${formatShare(blocks.generation, dirty)}, in the replayed copy` +
      ` ${formatShare(blocks.twin, dirty)}, zero ${formatShare(blocks.zero, dirty)};` +
      ` sent ${formatCount(blocks.shipped)} at zstd level ${report.level}.`,
    ...replayText(report),
    ...report.notes.map((note) => `Note: ${printable(note)}`),
  ].join("\n");
}

export function migrationsText(rows: readonly MigrationRow[]): string {
  if (rows.length === 0) return "This host has taken part in no migration yet.";
  const cells = rows.map((row) => [
    row.id,
    row.startedAt.slice(0, 19).replace("T", " "),
    row.workspace,
    `${row.role === "source" ? "to" : "from"} ${row.peer}`,
    row.kind,
    row.mode,
    row.state,
    printable(row.error ?? ""),
  ]);
  return formatTable([["ID", "STARTED (UTC)", "WORKSPACE", "HOST", "KIND", "MODE", "STATE", ""], ...cells]);
}
