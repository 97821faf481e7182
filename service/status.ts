import { CONTROL_VERSION, type ServiceStatus, type WorkspaceStatus } from "../protocol/control.ts";
import type { AcceleratorProbe } from "../vm/accelerator.ts";
import type { ServiceContext } from "./context.ts";
import type { Workspace } from "./workspaces/workspace.ts";

/** One workspace as clients see it. */
export async function workspaceStatus(ctx: ServiceContext, workspace: Workspace): Promise<WorkspaceStatus> {
  const { running, row: record } = workspace;
  const migration = ctx.store.migrations.unfinished().find((row) => row.workspace === workspace.name);
  return {
    name: workspace.name,
    owner: workspace.owner,
    state: workspace.state,
    doing: workspace.doing,
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
    migration:
      migration === undefined ? null : { row: migration, progress: ctx.activity.get(workspace.name) },
    note: record.note,
  };
}

async function logStatus(workspace: Workspace): Promise<WorkspaceStatus["log"]> {
  const { base, owner, running } = workspace;
  if (base === null || owner !== "here") return null;
  const { events, bytes } = await workspace.inputLog.summary(base);
  return { events, bytes, recording: running?.recording ?? false };
}

export interface ServiceFacts {
  readonly listen: string | null;
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
    peers: [...ctx.peers.list()],
    workspaces: await Promise.all(ctx.workspaces.list().map((workspace) => workspaceStatus(ctx, workspace))),
  };
}
