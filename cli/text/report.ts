import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCount, formatSeconds, formatShare } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import type { MigrationSummary } from "../../protocol/control.ts";
import type { MigrationReport, ModeChoice, ReplayOutcome } from "../../protocol/report.ts";
import { localTime } from "./age.ts";
import { shortRoot } from "./workspace.ts";

const BLOCK_BYTES = 4096;

const PHASES = {
  suspend_s: "suspend the machine",
  log_s: "send the input log",
  replay_s: "replay",
  index_s: "compare what changed",
  residual_s: "send the rest",
  verify_s: "verify",
  resume_s: "resume",
} as const;

const BYTES = {
  log: "input log",
  index: "hashes of what changed",
  need: "answer: what is missing",
  residual: "what was missing",
  device: "device state",
  control: "everything else",
} as const;

const ORIGINS = {
  generation: "found in the generation",
  twin: "made again by the replay",
  zero: "zero",
  shipped: "sent",
} as const;

const PATH_KINDS: Readonly<Record<ReplayOutcome["path"][number]["kind"], string>> = {
  same: "as recorded",
  left: "left the path",
  returned: "came back",
};

function section(title: string, rows: readonly (readonly string[])[]): string {
  return `${title}\n${formatTable(rows, ["left", "right", "right", "right"], "  ")}`;
}

/** The timeline of the replay, as it kept to the recording, left it and came back. */
function replayText({ replay, checkpoints, events, recorded_s, think_s, phases }: MigrationReport): string {
  if (replay === null) return "Nothing was replayed.";
  const { matched, missed, total } = checkpoints;
  const timeline = replay.path.map(({ kind, from_step, to_step, text }) => [
    from_step === to_step ? `step ${from_step}` : `steps ${from_step} to ${to_step}`,
    PATH_KINDS[kind],
    // The service's own sentence begins with the steps, which stand in the first column already.
    printable(text).replace(/^(?:back on the path: )?(?:steps? \d+(?: to \d+)?: )?/, ""),
  ]);
  return [
    `Replay of ${formatCount(events)} events`,
    `  recorded in ${formatSeconds(recorded_s)}, of which ${formatSeconds(think_s)} were pauses;` +
      ` replayed in ${formatSeconds(phases.replay_s)}` +
      (replay.speed > 0.95 ? "" : `, at ${Math.round(100 * replay.speed)} % of the recorded machine's speed`),
    `  ${matched} of ${total} checkpoints matched, ${missed} missed`,
    ...(replay.gave_up === null ? [] : [`  it stopped early: ${printable(replay.gave_up)}`]),
    ...(replay.masked_cells === 0
      ? []
      : [`  ${formatCount(replay.masked_cells)} cells of the screen, 16x16 pixels each, were no longer compared at the end`]),
    ...(timeline.length === 0 ? [] : [formatTable(timeline, [], "  ")]),
  ].join("\n");
}

function heading(report: MigrationReport): string[] {
  const { workspace, from, to, mode, owner, hold, phases, bytes } = report;
  const figures = `in ${formatSeconds(phases.click_to_usable_s)} with ${formatBytes(bytes.total)}`;
  const moved = report.kind === "migration";
  const outcome = moved ? `it belongs to ${owner} now${hold ? ", and is suspended there" : ""}` : "nothing was kept";
  return [
    `${moved ? "Moved" : "Rehearsed moving"} ${workspace} from ${from} to ${to} by ${mode} ${figures}; ${outcome}.`,
    report.verified
      ? `Verified: both hosts computed generation ${shortRoot(report.root_destination)}.`
      : `NOT VERIFIED: ${from} had ${shortRoot(report.root_source)}, ${to} made ${shortRoot(report.root_destination)}.`,
    `Finished ${localTime(report.finished_at)}, migration ${report.id}.`,
  ];
}

/** What "auto" expected, beside what came out. */
function choiceText(choice: ModeChoice, { mode, bytes, phases }: MigrationReport): string {
  const { metered, why, replay, overlay, stopped } = choice;
  const row = (name: string, cost: ModeChoice["replay"]): string[][] =>
    cost === null ? [] : [[name, formatBytes(cost.bytes), formatSeconds(cost.seconds)]];
  const came = { bytes: bytes.total, seconds: phases.click_to_usable_s };
  const rows = [...row("expected of a replay", replay), ...row("expected of overlay", overlay), ...row(`came out, by ${mode}`, came)];
  const lines = [`Chosen${metered ? ", on a metered link" : ""}: ${printable(why)}`, ...(stopped === null ? [] : [`The replay was ended ${printable(stopped)}.`])];
  return section(lines.join("\n"), rows);
}

/** A migration's report for people: what moved, how the replay went, where the time and the bytes went. */
export function reportText(report: MigrationReport): string {
  const { bytes, blocks, phases } = report;
  const changed = blocks.ram_dirty + blocks.disk_dirty;
  const phaseRows = (Object.keys(PHASES) as (keyof typeof PHASES)[]).map((key) => [
    PHASES[key],
    formatSeconds(phases[key]),
  ]);
  const byteRows = (Object.keys(BYTES) as (keyof typeof BYTES)[]).map((key) => [
    BYTES[key],
    formatBytes(bytes[key]),
    formatShare(bytes[key], bytes.total),
  ]);
  const originRows = (Object.keys(ORIGINS) as (keyof typeof ORIGINS)[]).map((key) => [
    ORIGINS[key],
    formatBytes(blocks[key] * BLOCK_BYTES),
    formatShare(blocks[key], changed),
  ]);
  return [
    heading(report).join("\n"),
    ...(report.choice === null ? [] : [choiceText(report.choice, report)]),
    replayText(report),
    section("Time, some of it side by side", [...phaseRows, ["click to usable", formatSeconds(phases.click_to_usable_s)]]),
    section("Bytes over the link, both directions", [...byteRows, ["total", formatBytes(bytes.total)]]),
    section(
      `Where the changed blocks came from: ${formatBytes(blocks.ram_dirty * BLOCK_BYTES)} of memory, ` +
        `${formatBytes(blocks.disk_dirty * BLOCK_BYTES)} of disk`,
      originRows,
    ),
    `What was sent was packed at level ${report.level}.`,
    ...report.notes.map((note) => `Note: ${printable(note)}`),
  ].join("\n\n");
}

/** A migration that has no report: it failed, was cancelled, or is under way. */
export function unreportedText({ id, workspace, role, peer, kind, mode, state, startedAt, error }: MigrationSummary): string {
  const what = kind === "migration" ? "Migration" : "Rehearsal";
  return [
    `${what} of ${workspace} ${role === "source" ? "to" : "from"} ${peer} by ${mode}: ${state}.`,
    `Started ${localTime(startedAt)}, migration ${id}. There is no report of it.`,
    ...(error === null ? [] : [`Error: ${printable(error)}`]),
  ].join("\n");
}

/** The list of migrations; the first characters of an id are enough for `homeward report`. */
export function migrationsText(rows: readonly MigrationSummary[]): string {
  if (rows.length === 0) return 'This host has taken part in no migration yet. "homeward migrate" makes one.';
  const cells = rows.map((row) => [
    row.id.slice(0, 8),
    localTime(row.startedAt),
    row.workspace,
    `${row.role === "source" ? "to" : "from"} ${row.peer}`,
    row.kind === "migration" ? row.mode : `${row.mode}, rehearsed`,
    row.state,
    row.bytes === null ? "" : formatBytes(row.bytes),
    row.seconds === null ? "" : formatSeconds(row.seconds),
    printable(row.error ?? ""),
  ]);
  const titles = ["ID", "STARTED", "WORKSPACE", "HOST", "MODE", "STATE", "BYTES", "TIME", ""];
  return formatTable([titles, ...cells], [...Array<"left">(6).fill("left"), "right", "right"]);
}
