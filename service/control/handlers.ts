import { HomewardError } from "../../common/errors.ts";
import type { ControlResult, UiLink } from "../../protocol/control.ts";
import type { ServiceContext } from "../context.ts";
import { explainMigration } from "../explain-migration.ts";
import { runDoctor } from "../doctor/doctor.ts";
import { estimateMove } from "../migration/estimate.ts";
import { LEARNED_FROM } from "../migration/learn.ts";
import type { Migrations } from "../migration/migrations.ts";
import type { Identity } from "../peers/identity.ts";
import type { PairedHosts } from "../peers/paired-hosts.ts";
import { serviceStatus, workspaceStatus, type ServiceFacts } from "../status.ts";
import { askHoldings, noteHolding } from "../push/holdings.ts";
import { check, push } from "../push/pushes.ts";
import { exportGeneration, requireFreeTarget } from "../workspaces/export-generation.ts";
import { Captures } from "../workspaces/captures.ts";
import type { WorkspaceDeps } from "../workspaces/dependencies.ts";
import type { RunningMachine } from "../workspaces/running-machine.ts";
import type { Workspace } from "../workspaces/workspace.ts";
import type { ControlHandlers } from "./connection.ts";
import { inputLogOf } from "./input-log-answer.ts";
import { listFiles } from "./list-files.ts";
import { MigrationStops } from "./migration-stops.ts";
import { StatusFeed } from "./status-feed.ts";
import { thumbnailOf } from "./thumbnail.ts";

export interface HandlerParts {
  readonly ctx: ServiceContext;
  readonly deps: WorkspaceDeps;
  readonly migrations: Migrations;
  readonly paired: PairedHosts;
  readonly identity: () => Promise<Identity>;
  readonly facts: () => ServiceFacts;
  /** Notes a migration that is under way, and returns it. */
  readonly migrating: <T>(job: Promise<T>) => Promise<T>;
  /** A new one-time link to the pages; see WebDoor.open. */
  readonly openPages: (port: number) => Promise<UiLink>;
  /** Begins to end the service; the answer to the call is sent before it is over. */
  readonly shutdown: (machines: "suspend" | "keep" | "kill") => Promise<void>;
}

/** Where a workspace's console is. @throws CONFLICT if it does not run */
export function consoleSocket(workspace: Workspace): string {
  return runningOf(workspace).consoleSocket;
}

function runningOf({ running, name }: Workspace): RunningMachine {
  if (running !== null) return running;
  throw new HomewardError("CONFLICT", `${name} does not run`, { hint: `"homeward start ${name}" starts it.` });
}

/** What each method of the control API does. */
export function controlHandlers(parts: HandlerParts): ControlHandlers {
  const { ctx, deps, migrations, paired, identity, facts, migrating, openPages, shutdown } = parts;
  const { workspaces } = ctx;
  const feed = new StatusFeed(() => serviceStatus(ctx, facts()));
  const stops = new MigrationStops();
  const captures = new Captures();
  const status = (workspace: Workspace): Promise<ControlResult<"start">> => workspaceStatus(ctx, workspace);
  return {
    status: () => serviceStatus(ctx, facts()),
    watch: ({ after }, { signal }) => feed.next(after, signal),
    create: async (params, call) => status(await workspaces.create(params, call)),
    import: async (params, call) => {
      const { plan, workspace } = await workspaces.import(params, call);
      return { plan, workspace: workspace === null ? null : await status(workspace) };
    },
    takeover: async ({ workspace: name, confirmed }, { signal }) => {
      const { takeover } = migrations;
      if (!confirmed) return { ...takeover.preview(name), workspace: null };
      const loss = await takeover.run(name, signal);
      return { ...loss, workspace: await status(workspaces.get(name)) };
    },
    files: ({ dir }, { signal }) => listFiles(dir, signal),
    delete: async ({ workspace }) => {
      await workspaces.delete(workspace);
      return {};
    },
    start: async (params, call) => {
      const workspace = workspaces.get(params.workspace);
      await workspace.start(call);
      return status(workspace);
    },
    suspend: async (params, call) => {
      const workspace = workspaces.get(params.workspace);
      await workspace.suspend(call);
      return status(workspace);
    },
    seal: async (params, call) => {
      const workspace = workspaces.get(params.workspace);
      if (params.export !== undefined) await requireFreeTarget(params.export);
      const generation = await workspace.seal(call);
      if (params.export !== undefined) await exportGeneration(deps, generation, params.export, call);
      return { root: generation.root, workspace: await status(workspace) };
    },
    power: async (params, call) => {
      const workspace = workspaces.get(params.workspace);
      await workspace.power(params.action, call);
      return status(workspace);
    },
    record: async (params) => {
      const workspace = workspaces.get(params.workspace);
      await (params.action === "pause" ? workspace.pauseRecording() : workspace.resumeRecording());
      return status(workspace);
    },
    console: ({ workspace }) => {
      const running = runningOf(workspaces.get(workspace));
      return Promise.resolve({ path: running.consoleSocket, direct: running.machine.vncSocket });
    },
    capture: ({ workspace }, { signal }) => captures.hold(workspaces.get(workspace), signal),
    // Async, so that what it throws is the answer.
    captured: async ({ workspace, events }) => Promise.resolve(captures.take(workspaces.get(workspace), events)),
    thumbnail: (params) => thumbnailOf(ctx, workspaces.get(params.workspace), params),
    migrate: async ({ level, detached, ...params }, call) => {
      workspaces.get(params.workspace);
      const progress = ctx.activity.watch(params.workspace, call.progress);
      const stop = new AbortController();
      const signal = detached ? stop.signal : AbortSignal.any([stop.signal, call.signal]);
      stops.add(params.workspace, stop);
      try {
        const request = { ...params, ...(level === undefined ? {} : { level }) };
        const report = await migrating(migrations.startMigration(request, { signal, progress }));
        await noteHolding(ctx, report.to, report.workspace, report.root_destination);
        return report;
      } finally {
        stops.remove(params.workspace, stop);
        ctx.activity.clear(params.workspace);
        workspaces.tidy();
      }
    },
    estimate: async ({ workspace, peer }) => {
      const { log, writtenBytes } = await status(workspaces.get(workspace));
      const moves = ctx.store.migrations.reportsWith(workspace, peer, LEARNED_FROM);
      return { estimate: estimateMove({ log, writtenBytes: writtenBytes ?? 0 }, moves) };
    },
    cancel: ({ workspace, of }) => {
      const { name } = workspaces.get(workspace);
      if (of === "push") ctx.layDowns.end(name);
      else stops.stop(name);
      return Promise.resolve({});
    },
    measure: ({ level, root, ...params }, call) => {
      const from = root ?? workspaces.get(params.workspace).base;
      if (from === null) throw new HomewardError("CONFLICT", `${params.workspace} has no generation to rehearse with`);
      const request = { ...params, root: from, ...(level === undefined ? {} : { level }) };
      return migrating(migrations.measure(request, call));
    },
    log: (params) => {
      const workspace = workspaces.get(params.workspace);
      const root = params.root ?? workspace.base;
      if (root !== null) return inputLogOf(workspace, root, params);
      throw new HomewardError("CONFLICT", `${workspace.name} has no generation, so nothing is recorded yet`, {
        hint: `"homeward seal ${workspace.name}" makes one.`,
      });
    },
    report: ({ id }) => {
      const table = ctx.store.migrations;
      if (id !== undefined && table.get(id) === null)
        throw new HomewardError("NOT_FOUND", `this host knows of no migration ${id}`);
      const chosen = id ?? table.newestReported();
      return Promise.resolve({ migrations: table.summaries(), report: chosen === null ? null : table.report(chosen) });
    },
    explain: ({ id }, call) => explainMigration(ctx, id, call),
    push: ({ bytesPerSecond, seal, anew, detached, ...params }, call) => {
      const workspace = workspaces.get(params.workspace);
      const work = ctx.layDowns.run({ ...params, detached }, call, async (options) => {
        if (anew || (seal && workspace.base === null)) await workspace.seal(options);
        return push(ctx, { ...params, bytesPerSecond: bytesPerSecond ?? null }, options);
      });
      return migrating(work);
    },
    check: (params, call) => check(ctx, params, call),
    hosts: async ({ ask }, call) => ({
      ...(ask ? await askHoldings(ctx, call.signal) : { rooms: [], silent: [] }),
      holdings: ctx.store.holdings.list(),
      host: ctx.hostName,
      id: (await identity()).id,
      listen: facts().listenTls,
      hosts: paired.list(),
      pending: paired.pending(),
    }),
    pair: (params) => paired.pair(params),
    unpair: ({ name }) => {
      const host = paired.unpair(name);
      migrations.endWith(name);
      return Promise.resolve(host);
    },
    doctor: (_params, call) => runDoctor({ stateDir: ctx.store.paths.stateDir, signal: call.signal }),
    ui: ({ port }) => openPages(port),
    gc: ({ dryRun }) => workspaces.collectGarbage(dryRun ? "find" : "remove"),
    shutdown: async ({ machines }) => {
      await shutdown(machines);
      return {};
    },
  };
}
