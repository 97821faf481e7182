import type { ByteCounter } from "../../protocol/wire.ts";
import { FRAMES, frameBytes } from "../../protocol/wire.ts";
import { encodeMessage, type Message } from "../../protocol/wire/messages.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import type { Departed } from "./departure.ts";

export interface ReportFacts {
  readonly id: string;
  readonly workspace: string;
  readonly from: string;
  readonly to: string;
  readonly kind: "migration" | "measurement";
  readonly base: string;
  readonly owner: string;
  readonly hold: boolean;
  readonly departed: Departed;
  /** What the destination said at the end; null when that was lost, and for a measurement. */
  readonly done: Message<"done"> | null;
  readonly clickToUsableMs: number;
  readonly notes: readonly string[];
}

/** The report of an exchange, counting the bytes that crossed the link so far. */
export function makeReport(facts: ReportFacts, bytes: ByteCounter): MigrationReport {
  const { departed, done } = facts;
  const { prepared, manifest, stats, seconds } = departed;
  const replay = prepared.replay;
  const notes = [...prepared.notes, ...facts.notes];
  if (done !== null && done.note !== null) notes.push(done.note);
  return {
    id: facts.id,
    workspace: facts.workspace,
    from: facts.from,
    to: facts.to,
    kind: facts.kind,
    mode: departed.mode,
    choice: departed.choice,
    verified: prepared.root === manifest.root,
    base_root: facts.base,
    root_source: manifest.root,
    root_destination: prepared.root,
    owner: facts.owner,
    recorded_s: replay?.recorded_s ?? 0,
    think_s: replay?.think_s ?? 0,
    events: replay?.events ?? 0,
    checkpoints: replay?.checkpoints ?? { total: 0, matched: 0, missed: 0 },
    replay: replay?.outcome ?? null,
    phases: {
      suspend_s: rounded(seconds.suspend),
      log_s: rounded(seconds.log),
      replay_s: rounded(prepared.replay_s),
      index_s: rounded(seconds.index),
      residual_s: rounded(seconds.residual),
      verify_s: rounded(prepared.verify_s),
      resume_s: rounded(done?.resume_s ?? 0),
      click_to_usable_s: rounded(facts.clickToUsableMs / 1000),
    },
    bytes: bytes.toJSON(),
    blocks: { ram_dirty: stats.ramDirty, disk_dirty: stats.diskDirty, ...prepared.blocks },
    level: departed.level,
    hold: facts.hold,
    notes: notes.slice(0, 20).map((note) => note.slice(0, 500)),
    finished_at: new Date().toISOString(),
  };
}

/** Of a move, what may be spent on telling the other host how its mode was chosen. */
const TOLD_SHARE = 1 / 100;

/** What the other host is told: all of it, but how overlay was chosen only where that costs next to nothing. */
export function toldReport(report: MigrationReport): MigrationReport {
  const { choice, mode, bytes } = report;
  const costs = Buffer.byteLength(JSON.stringify(choice));
  return mode === "overlay" && costs > bytes.total * TOLD_SHARE ? { ...report, choice: null } : report;
}

/** The report as it has to be to count the message that carries it to the other host, too. */
export function countingItself(report: MigrationReport): MigrationReport {
  let counted = report;
  // Each round can only make the numbers longer, by a digit; they are right as soon as the length stays.
  for (let before = -1, size = 0; before !== size; ) {
    before = size;
    size = frameBytes(encodeMessage("report", counted).length);
    const { [FRAMES.report.kind]: kind, total } = report.bytes;
    counted = { ...report, bytes: { ...report.bytes, [FRAMES.report.kind]: kind + size, total: total + size } };
  }
  return counted;
}

/** Milliseconds are enough. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
