import { stat } from "node:fs/promises";
import { CONTROL_VERSION, type MigrationRow, type ServiceStatus, type WorkspaceStatus } from "../protocol/control.ts";
import type { AcceleratorProbe } from "../vm/accelerator.ts";
import type { ServiceContext } from "./context.ts";
import type { Workspace } from "./workspaces/workspace.ts";

/** stat(2) counts in units of this many bytes, whatever the file system's blocks are. */
const STAT_BLOCK_BYTES = 512;
const MAX_HOLDERS = 100;

/** One workspace as clients see it. */
export async function workspaceStatus(ctx: ServiceContext, workspace: Workspace): Promise<WorkspaceStatus> {
  const { running, row: record } = workspace;
  const migration = ctx.store.migrations.unfinished().find((row) => row.workspace === workspace.name);
  return {
    name: workspace.name,
    owner: workspace.owner,
    state: workspace.state,
    doing: workspace.doing,
    stalled: workspace.stalled,
    base: workspace.base,
    memoryBytes: record.machine.memoryBytes,
    diskBytes: record.machine.diskBytes,
    ramPlace: running === null ? null : ctx.runDirs.placeOf(running.ramPath),
    pid: running?.machine.pid ?? null,
    console: running?.consoleSocket ?? null,
    log: await logStatus(workspace).catch((error: unknown) => {
      // A damaged log is no reason to hide everything else.
      ctx.log.error({ err: error, workspace: workspace.name }, "reading the input log");
      return null;
    }),
    generation: generationStatus(ctx, workspace),
    writtenBytes: await writtenBytes(ctx, workspace),
    lastMove: lastMove(ctx, workspace.name),
    layDown: ctx.layDowns.get(workspace.name),
    migration: migration === undefined ? null : migrationStatus(ctx, migration),
    recordingPaused: record.recordingPaused,
    hostLoopback: record.hostLoopback,
    note: workspace.note,
  };
}

function migrationStatus({ activity }: ServiceContext, row: MigrationRow): WorkspaceStatus["migration"] {
  const { bytes = null, blocks = null } = activity.figures(row.workspace) ?? {};
  return { row, progress: activity.get(row.workspace), bytes, blocks };
}

async function logStatus(workspace: Workspace): Promise<WorkspaceStatus["log"]> {
  const { base, owner, running } = workspace;
  if (base === null || owner !== "here") return null;
  const { events, bytes, lastMs } = await workspace.inputLog.summary(base);
  return { events, bytes, durationMs: lastMs, recording: running?.recording ?? false };
}

function generationStatus(ctx: ServiceContext, { base, owner }: Workspace): WorkspaceStatus["generation"] {
  const generation = base === null ? null : ctx.store.generations.get(base);
  if (generation === null) return null;
  const { migrations, holdings } = ctx.store;
  const holders = new Set([...migrations.holders(generation.root), ...holdings.holders(generation.root)]);
  if (owner !== "here") holders.add(owner);
  return { createdAt: generation.manifest.createdAt, holders: [...holders].sort().slice(0, MAX_HOLDERS) };
}

/** The top layer is new with every generation, so its size on disk is what was written since. */
async function writtenBytes(ctx: ServiceContext, { name, owner }: Workspace): Promise<number | null> {
  if (owner !== "here") return null;
  const { overlay } = ctx.store.paths.workspace(name);
  // There is none before the first start, and none for a moment while it is being replaced.
  return stat(overlay).then(({ blocks }) => blocks * STAT_BLOCK_BYTES, () => 0);
}

function lastMove(ctx: ServiceContext, name: string): WorkspaceStatus["lastMove"] {
  const report = ctx.store.migrations.lastMove(name);
  if (report === null) return null;
  const { from, to, finished_at: finishedAt, bytes, phases } = report;
  return { from, to, finishedAt, bytes: bytes.total, seconds: phases.click_to_usable_s };
}

export interface ServiceFacts {
  readonly listen: string | null;
  readonly listenTls: string | null;
  readonly accelerator: AcceleratorProbe["accelerator"] | null;
}

export async function serviceStatus(ctx: ServiceContext, facts: ServiceFacts): Promise<ServiceStatus> {
  return {
    version: CONTROL_VERSION,
    host: ctx.hostName,
    pid: process.pid,
    stateDir: ctx.store.paths.stateDir,
    accelerator: facts.accelerator,
    listen: facts.listen,
    listenTls: facts.listenTls,
    peers: [...ctx.peers.list()],
    workspaces: await Promise.all(ctx.workspaces.list().map((workspace) => workspaceStatus(ctx, workspace))),
  };
}
