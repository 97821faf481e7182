import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCapacity, formatCount } from "../../common/quantities.ts";
import type { ServiceStatus, WorkspaceStatus } from "../../protocol/control.ts";

/** First digits of a root, enough to tell generations apart by eye. */
export function shortRoot(root: string): string {
  return root.slice(0, 12);
}

function situation(workspace: WorkspaceStatus): string {
  const { state, owner, doing, ramPlace } = workspace;
  switch (state) {
    case "running":
      return ramPlace === "disk"
        ? "running here; its RAM is on disk, which is slower (no room in /dev/shm)"
        : "running here";
    case "off":
      return `switched off; "homeward start ${workspace.name}" boots it`;
    case "suspended":
      return `suspended here; "homeward start ${workspace.name}" goes on where it was`;
    case "away":
      return `on ${owner}, who may run it; this computer keeps what it needs to take it back cheaply`;
    case "paused-for-migration":
      return "paused while it moves";
    case "busy":
      return `busy${doing === null ? "" : `: ${doing}`}`;
  }
}

/** A workspace in a few lines: what it does, what is recorded, what to do next. */
export function workspaceText(workspace: WorkspaceStatus): string {
  const { name, base, log, migration, note, console: socket, memoryBytes, diskBytes } = workspace;
  const lines = [`${name}: ${situation(workspace)}`];
  lines.push(`  ${formatCapacity(memoryBytes)} of memory, a disk of ${formatCapacity(diskBytes)}`);
  if (base !== null) lines.push(`  generation ${shortRoot(base)}`);
  else if (workspace.owner === "here")
    lines.push(`  no generation yet; "homeward seal ${name}" makes one and starts recording`);
  if (log !== null)
    lines.push(
      `  recorded since then: ${formatCount(log.events)} events, ${formatBytes(log.bytes)}` +
        (log.recording ? ", recording" : ""),
    );
  if (socket !== null) lines.push(`  console: ${socket}`);
  if (migration !== null) {
    const { row, progress } = migration;
    const direction = row.role === "source" ? "to" : "from";
    const percent =
      progress?.total === undefined || progress.total === 0
        ? ""
        : `, ${progress.phase} ${Math.round((100 * progress.done) / progress.total)} %`;
    lines.push(`  migration ${direction} ${row.peer}: ${row.state}${percent}`);
    if (row.error !== null) lines.push(`  ${printable(row.error)}`);
  }
  if (note !== null) lines.push(`  note: ${printable(note)}`);
  return lines.join("\n");
}

export function statusText(status: ServiceStatus): string {
  const { host, pid, accelerator, listen, peers, workspaces } = status;
  const lines = [`Host ${host}: service running (process ${pid}), state in ${status.stateDir}`];
  if (accelerator !== null)
    lines.push(accelerator === "kvm" ? "Machines run on KVM." : "Machines run in software emulation (no usable KVM).");
  if (listen !== null) lines.push(`Other hosts reach it at ${listen}.`);
  lines.push(
    peers.length === 0
      ? "It knows no other host."
      : `It knows ${peers.map((peer) => `${peer.name} (${printable(peer.address)})`).join(", ")}.`,
  );
  if (workspaces.length === 0)
    lines.push("", `No workspaces yet. "homeward create work --guest desktop" makes one.`);
  for (const workspace of workspaces) lines.push("", workspaceText(workspace));
  return lines.join("\n");
}
