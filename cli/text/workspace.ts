import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCapacity, formatCount, formatSeconds } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import type { WorkspaceStatus } from "../../protocol/control.ts";
import { ago } from "./age.ts";

/** First digits of a root, enough to tell generations apart by eye. */
export function shortRoot(root: string): string {
  return root.slice(0, 12);
}

/** Names with commas, and "and" before the last. */
export function enumerated(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}

function situation({ state, owner, doing, stalled }: WorkspaceStatus): string {
  if (stalled !== null && state === "running") return "stands still here: the disk is full";
  switch (state) {
    case "running":
      return "running here";
    case "off":
      return "here, switched off";
    case "suspended":
      return "suspended here";
    case "away":
      return `on ${owner}`;
    case "paused-for-migration":
      return "paused here while it moves";
    case "busy":
      return `busy here${doing === null ? "" : `: ${doing}`}`;
  }
}

function machine({ memoryBytes, diskBytes, ramPlace }: WorkspaceStatus): string {
  const place =
    ramPlace === "tmpfs"
      ? " (in /dev/shm)"
      : ramPlace === "disk"
        ? " (on disk, which is slower: no room in /dev/shm)"
        : "";
  return `${formatCapacity(memoryBytes)} of memory${place}, a disk of ${formatCapacity(diskBytes)}`;
}

function generationText({ base, generation, owner, name }: WorkspaceStatus, now: Date): string {
  if (base === null || generation === null)
    return owner === "here" ? "none yet, so nothing is recorded" : `none; ${name} cannot come back cheaply`;
  const { createdAt, holders } = generation;
  const held = holders.length === 0 ? "no other host is known to hold it" : `${enumerated(holders)} held it too`;
  return `${shortRoot(base)}, made ${ago(createdAt, now)}; ${held}`;
}

function recorded({ base, owner, log }: WorkspaceStatus): string | null {
  if (base === null || owner !== "here") return null;
  if (log === null) return "the input log cannot be read; service.log says why";
  const { events, bytes, durationMs, recording } = log;
  const amount =
    events === 0
      ? "nothing yet"
      : `${formatCount(events)} events in ${formatSeconds(durationMs / 1000)}, ${formatBytes(bytes)}`;
  return `${amount}${recording ? "; recording" : ""}`;
}

/** Roughly what a move would cost: it is known for certain only after one. */
function toMove({ base, owner, state, writtenBytes, lastMove }: WorkspaceStatus): string | null {
  // One that is off has to be started before it can move.
  if (base === null || owner !== "here" || state === "off") return null;
  const written = writtenBytes === null ? "" : `, up to ${formatBytes(writtenBytes)} of disk`;
  const last =
    lastMove === null
      ? ""
      : `; the last move, to ${lastMove.to}, took ${formatBytes(lastMove.bytes)} and ${formatSeconds(lastMove.seconds)}`;
  return `what replay does not reproduce of changed memory${written}${last}`;
}

function moving({ migration }: WorkspaceStatus): string | null {
  if (migration === null) return null;
  const { row, progress } = migration;
  const percent =
    progress?.phase === "waiting" && progress.note !== undefined
      ? `, ${printable(progress.note)}`
      : progress?.total === undefined || progress.total === 0
        ? ""
        : `, ${printable(progress.phase)} ${Math.round((100 * progress.done) / progress.total)} %`;
  const error = row.error === null ? "" : `: ${printable(row.error)}`;
  return `${row.role === "source" ? "to" : "from"} ${row.peer}: ${row.state}${percent}${error}`;
}

/** What to do next with a workspace as far as that needs no other host; null for nothing in particular. */
export function nextHere({ name, state, base }: WorkspaceStatus): string | null {
  if (state === "off" || state === "suspended") return `homeward start ${name}`;
  if (state === "running" && base === null)
    return `homeward console ${name} --open, then homeward seal ${name}: from there on it is recorded`;
  return null;
}

/** A workspace in a few lines: what it does, what is recorded, what a move needs. */
export function workspaceText(
  workspace: WorkspaceStatus,
  now: Date = new Date(),
  next: string | null = nextHere(workspace),
): string {
  const { name, console: socket, note, recordingPaused, hostLoopback } = workspace;
  const paused = `recording is paused: nothing that is typed or shown is kept; "homeward record resume ${name}" ends that`;
  const rows: readonly (readonly [label: string, text: string | null])[] = [
    ["machine", machine(workspace)],
    ["generation", generationText(workspace, now)],
    ["recorded", recorded(workspace)],
    ["private", recordingPaused && workspace.owner === "here" ? paused : null],
    ["network", hostLoopback ? "its guest can reach what listens on this computer's loopback, as 10.0.2.2" : null],
    ["to move", toMove(workspace)],
    ["moving", moving(workspace)],
    ["console", socket],
    ["note", note === null ? null : printable(note)],
    ["next", next],
  ];
  const lines = rows.flatMap(([label, text]) => (text === null ? [] : [[label, text]]));
  return `${name}: ${situation(workspace)}\n${formatTable(lines, [], "  ")}`;
}
