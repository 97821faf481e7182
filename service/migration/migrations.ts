import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { MigrationRow } from "../../protocol/control.ts";
import type { AskedMode, MigrationMode, MigrationReport } from "../../protocol/report.ts";
import type { ServiceContext } from "../context.ts";
import type { Workspace } from "../workspaces/workspace.ts";
import { requireNotMigrating } from "./admission.ts";
import { Arrivals } from "./arrivals.ts";
import { LEARNED_FROM, learnFrom } from "./learn.ts";
import type { AtRest } from "./departure.ts";
import { SourceJournal } from "./journal.ts";
import { LinkSessions } from "./link-sessions.ts";
import { recoverMigrations } from "./recovery.ts";
import { servePeer, type Serving } from "./serve-peer.ts";
import { Settlement } from "./settlement.ts";
import { Takeover } from "./takeover.ts";
import { OvertakenError, SourceJob, type SourceJobOptions } from "./source-job.ts";

export interface MigrationRequest {
  readonly workspace: string;
  /** Name of a host in `ctx.peers`. */
  readonly peer: string;
  readonly mode: AskedMode;
  /** With "auto": bytes alone count. */
  readonly metered: boolean;
  /** The destination takes the workspace and does not start it. */
  readonly hold: boolean;
  /** Level of packing of the residual, 1 to MODEL_LEVEL; chosen from the measured link when not given. */
  readonly level?: number;
}

export interface MeasureRequest {
  readonly workspace: string;
  /** A stored generation whose parent both hosts hold. */
  readonly root: string;
  readonly peer: string;
  readonly mode: AskedMode;
  readonly metered: boolean;
  readonly level?: number;
}

export interface JobOptions {
  readonly signal?: AbortSignal;
  readonly progress: Progress;
}

/** Every migration of this host, as source and as destination. */
export class Migrations {
  readonly takeover: Takeover;
  readonly #ctx: ServiceContext;
  readonly #settlement: Settlement;
  readonly #arrivals = new Arrivals();
  readonly #pushes = new Arrivals();
  readonly #sessions = new LinkSessions();
  /** Connections that other hosts opened. */
  readonly #serving = new Set<Promise<void>>();
  readonly #shared: Serving;

  constructor(ctx: ServiceContext) {
    this.#ctx = ctx;
    this.#settlement = new Settlement(ctx);
    this.takeover = new Takeover(ctx, this.#settlement);
    this.#shared = { settlement: this.#settlement, arrivals: this.#arrivals, pushes: this.#pushes, sessions: this.#sessions, takeover: this.takeover };
  }

  /**
   * Moves a workspace that runs, or is suspended, to a peer. Can be stopped until the release; from then on the signal is
   * ignored and the workspace belongs to the peer.
   * @throws CONFLICT, NOT_FOUND, PEER, INCOMPATIBLE, NO_ROOM, DAMAGED, CANCELLED: the workspace goes on here, except when
   * `data.released` is set
   */
  async startMigration(request: MigrationRequest, options: JobOptions): Promise<MigrationReport> {
    const workspace = this.#ctx.workspaces.get(request.workspace);
    requireMovable(this.#ctx, workspace, request.peer);
    await this.#requireIntact(workspace, workspace.base, options);
    const mode = request.mode === "auto" ? await this.#offerable(workspace) : request.mode;
    // Again, because that may have taken a while; from here to the row nothing can come between.
    const base = requireMovable(this.#ctx, workspace, request.peer);
    const { hold } = request;
    const job = this.#job(request, mode, "migration", base, options);
    return this.#run(request.workspace, {
      ...job,
      hold,
      overlayPath: this.#ctx.store.paths.workspace(workspace.name).overlay,
      devicePath: job.base.devicePath,
      atRest: async (signal) => {
        job.progress.update({ phase: "suspend", done: 0, unit: "steps" });
        const state = await workspace.suspendForMigration(signal);
        if (state.base !== base) throw new HomewardError("CONFLICT", `${workspace.name} was sealed meanwhile`);
        return { state, recordingPaused: workspace.row.recordingPaused, ...(await this.#log(workspace, base, mode)) };
      },
      goOn: () => workspace.resumeAfterCancel(),
    });
  }

  /**
   * The same exchange for a stored generation against its parent; nothing is kept on either side but the report.
   * @throws as `startMigration`; NOT_FOUND also when the input log that leads to the generation is gone
   */
  async measure(request: MeasureRequest, options: JobOptions): Promise<MigrationReport> {
    const workspace = this.#ctx.workspaces.get(request.workspace);
    this.#ctx.peers.requireRight(request.peer, "take", request.workspace);
    const generation = this.#ctx.store.generations.require(request.root);
    const { parent, machine } = generation.manifest;
    if (parent === null)
      throw new HomewardError("CONFLICT", `generation ${request.root.slice(0, 12)} has no parent to measure from`, {
        hint: "Use the workspace, then seal it again.",
      });
    for (const root of [parent, request.root]) await this.#requireIntact(workspace, root, options);
    const mode = request.mode === "auto" ? "replay" : request.mode;
    const log = await this.#log(workspace, parent, mode);
    if (request.mode === "replay" && log.log.length === 0)
      throw new HomewardError("NOT_FOUND", `the input log that leads to ${request.root.slice(0, 12)} is not kept`, {
        hint: "Measure with --mode overlay.",
      });
    const { ramPath, devicePath, layers } = generation;
    const letGo = this.#ctx.store.generations.hold(request.root);
    try {
      return await this.#run(request.workspace, {
        ...this.#job(request, mode, "measurement", parent, options),
        hold: true,
        overlayPath: layers[0] ?? devicePath,
        devicePath,
        atRest: () => Promise.resolve({ state: { machine, ramPath, devicePath, layers }, recordingPaused: false, ...log }),
        goOn: () => Promise.resolve(),
      });
    } finally {
      letGo();
    }
  }

  /** What is sent is told by how it differs from this: were it damaged, the damage would be what arrives. */
  async #requireIntact(workspace: Workspace, root: string | null, options: JobOptions): Promise<void> {
    if (root === null) return;
    await this.#ctx.generationCheck.requireIntact(this.#ctx.store.generations.require(root), {
      ...options,
      signal: AbortSignal.any([this.#ctx.stopping, ...(options.signal === undefined ? [] : [options.signal])]),
      hint: `${workspace.name} goes on here. Seal it with an export, and create it anew from that on the other host.`,
    });
  }

  /** What "auto" begins with: where there may be something to replay, the other host makes a twin ready meanwhile. */
  async #offerable(workspace: Workspace): Promise<MigrationMode> {
    if (workspace.base === null) return "overlay";
    // One that cannot be read says so later.
    const summary = await workspace.inputLog.summary(workspace.base).catch(() => null);
    return summary?.events === 0 ? "overlay" : "replay";
  }

  /** A log that cannot be read costs bytes: nothing is replayed then. */
  async #log(workspace: Workspace, base: string, mode: MigrationMode): Promise<Pick<AtRest, "log" | "notes">> {
    if (mode === "overlay") return { log: [], notes: [] };
    try {
      const log = await workspace.inputLog.segments(base);
      return { log, notes: log.length === 0 ? ["nothing was recorded, so nothing was replayed"] : [] };
    } catch (thrown) {
      const error = toHomewardError(thrown);
      if (error.code !== "DAMAGED") throw error;
      this.#ctx.log.error({ err: error, workspace: workspace.name }, "reading the input log");
      return { log: [], notes: [`nothing was replayed: ${error.message}`] };
    }
  }

  /** What migrations and measurements have in common; the durable row exists when this returns. */
  #job(
    request: MigrationRequest | MeasureRequest,
    mode: MigrationMode,
    kind: "migration" | "measurement",
    base: string,
    options: JobOptions,
  ): Omit<SourceJobOptions, "hold" | "overlayPath" | "devicePath" | "atRest" | "goOn"> {
    const id = randomUUID();
    const { workspace, peer, metered } = request;
    const clickedMs = performance.now();
    const generation = this.#ctx.store.generations.require(base);
    const journal = SourceJournal.begin(this.#ctx.store, { id, workspace, kind, peer, mode, base });
    return {
      id,
      kind,
      workspace,
      peer,
      mode,
      auto: request.mode === "auto" ? { metered, clickedMs, learned: learnFrom(this.#ctx.store.migrations.reportsWith(workspace, peer, LEARNED_FROM)) } : null,
      level: request.level ?? null,
      base: generation,
      journal,
      clickedMs,
      progress: this.#ctx.activity.watch(workspace, options.progress),
      signal: AbortSignal.any([this.#ctx.stopping, ...(options.signal === undefined ? [] : [options.signal])]),
    };
  }

  async #run(workspace: string, options: SourceJobOptions): Promise<MigrationReport> {
    const { id, peer, kind, mode } = options;
    this.#ctx.log.info({ migration: id, workspace, peer, kind, mode }, "a migration begins");
    const letGo = this.#ctx.store.generations.hold(options.base.root);
    try {
      const report = await new SourceJob(this.#ctx, this.#settlement, options).run().catch((error: unknown) => this.#maybeFenced(error, peer));
      this.#ctx.log.info({ migration: id, bytes: report.bytes.total }, "a migration ended");
      return report;
    } catch (error) {
      this.#ctx.log.warn({ err: error, migration: id }, "a migration failed");
      throw error;
    } finally {
      letGo();
      this.#ctx.activity.clear(workspace);
    }
  }

  /** A destination that took the workspace over said so instead of accepting it. @throws the error that the user gets */
  async #maybeFenced(error: unknown, peer: string): Promise<never> {
    if (!(error instanceof HomewardError) || !(error.cause instanceof OvertakenError)) throw error;
    const { fence } = error.cause;
    const heeded = await this.takeover.heed(fence, peer);
    const keptAs = heeded === "outdated" ? null : heeded.keptAs;
    throw new HomewardError("CONFLICT", `${peer} took ${fence.workspace} over`, {
      ...(keptAs === null ? {} : { hint: `What was done here since is kept as ${keptAs}.`, data: { keptAs } }),
    });
  }

  /**
   * Serves one connection from another host until it ends; never throws. How many there may be, whoever listens decides.
   * @param certified the host that a certificate proves to be at the other end; null where its name is all there is
   */
  acceptPeer(stream: Duplex, certified: string | null): void {
    stream.on("error", () => undefined);
    const serving = servePeer(this.#ctx, this.#shared, stream, certified)
      .catch((error: unknown) => {
        this.#ctx.log.warn({ err: error }, "a connection from another host");
      })
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  /** A host is a stranger from now on: what is under way with it ends. */
  endWith(peer: string): void {
    this.#sessions.end(peer, new HomewardError("CONFLICT", `${this.#ctx.hostName} is no longer paired with ${peer}`));
  }

  /** Resolves when no other host is being served: after `ctx.stopping` fired, twins and unfinished files are gone then. */
  async idle(): Promise<void> {
    await Promise.all(this.#serving);
  }

  /** Settles what a crash left behind; to be called once at service start, after the workspaces were adopted. */
  async recover(): Promise<void> {
    await recoverMigrations(this.#ctx, this.#settlement);
    this.takeover.recover();
  }

  /** Newest first. */
  list(): MigrationRow[] {
    return this.#ctx.store.migrations.list();
  }

  /** @throws NOT_FOUND when there is no such migration, or it has no report */
  report(id: string): MigrationReport {
    const report = this.#ctx.store.migrations.report(id);
    if (report === null) throw new HomewardError("NOT_FOUND", `there is no report of a migration ${id}`);
    return report;
  }
}

/** Returns the generation that a migration would start from. @throws CONFLICT */
function requireMovable(ctx: ServiceContext, workspace: Workspace, peer: string): string {
  const { name, owner, base, state, doing } = workspace;
  if (peer === ctx.hostName) throw new HomewardError("USAGE", `${peer} is this host`);
  if (owner !== "here")
    throw new HomewardError("CONFLICT", `${name} is on ${owner}`, { hint: `On ${owner}: homeward migrate ${name} ${peer}` });
  if (base === null)
    throw new HomewardError("CONFLICT", `${name} has no generation that ${peer} could hold`, {
      hint: `homeward seal ${name}, then homeward push ${name} ${peer}`,
    });
  if (state === "off") throw new HomewardError("CONFLICT", `${name} is off`, { hint: `"homeward start ${name}" starts it.` });
  if (doing !== null)
    throw new HomewardError("CONFLICT", `${name} is busy (${doing})`, { hint: "Wait for that to end." });
  ctx.peers.requireRight(peer, "take", name);
  requireNotMigrating(ctx, name);
  return base;
}
