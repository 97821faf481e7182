import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { MigrationRow } from "../../protocol/control.ts";
import type { Epoch } from "../../protocol/epoch.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import type { WorkspaceRow } from "../store/workspaces-table.ts";
import { onEpoch } from "./decisions.ts";
import { removeIncoming } from "./incoming-files.ts";
import { DestinationJournal, SourceJournal } from "./journal.ts";
import { isFinal, asDestinationState } from "./states.ts";
import type { Settlement } from "./settlement.ts";

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;

/** What a takeover would begin with, and what it would lose. */
export interface Loss {
  /** The host that has owned the workspace so far. */
  readonly owner: string;
  /** What was done there after this moment is lost; ISO 8601. */
  readonly since: string;
  /** When that host was last heard of; null for never. */
  readonly ownerSeenAt: string | null;
}

interface Plan extends Loss {
  readonly row: WorkspaceRow;
  /** The generation to go on from. */
  readonly root: string;
  /** What is not settled with that host. */
  readonly migration: MigrationRow | null;
}

/** Workspaces that are taken over from hosts that are gone for good, and what becomes of those that come back. */
export class Takeover {
  readonly #ctx: ServiceContext;
  readonly #settlement: Settlement;
  readonly #telling = new Set<string>();

  constructor(ctx: ServiceContext, settlement: Settlement) {
    this.#ctx = ctx;
    this.#settlement = settlement;
  }

  /** @throws NOT_FOUND, CONFLICT if it is this host's already, has no generation here, or is just arriving */
  preview(workspace: string): Loss {
    const { owner, since, ownerSeenAt } = this.#plan(workspace);
    return { owner, since, ownerSeenAt };
  }

  #plan(workspace: string): Plan {
    const { store, hostName } = this.#ctx;
    const row = store.workspaces.require(workspace);
    const migration = store.migrations.unfinished().find((each) => each.workspace === workspace && each.kind === "migration") ?? null;
    const owner = row.owner ?? (migration?.role === "source" && migration.state === "released" ? migration.peer : null);
    if (owner === null) throw new HomewardError("CONFLICT", `${workspace} is ${hostName}'s own already`);
    if (migration?.role === "destination" && !["prepared", "taken"].includes(migration.state) && !isFinal(asDestinationState(migration.state)))
      throw new HomewardError("CONFLICT", `${workspace} is arriving from ${migration.peer}`, { hint: "Stop that there, or wait for its end." });
    const arrived = migration?.role === "destination" ? migration.root : null;
    const root = arrived ?? row.base;
    if (root === null) throw new HomewardError("CONFLICT", `${hostName} holds no generation of ${workspace}`);
    const since =
      migration?.role === "source" ? migration.updatedAt : store.generations.require(root).manifest.createdAt;
    const seen = [...store.peers(), ...store.pairings.list()].find(({ name }) => name === owner);
    return { row, owner, root, migration, since, ownerSeenAt: seen?.lastSeenAt ?? null };
  }

  /**
   * From now on the workspace is this host's, in a new epoch: whatever its owner has of it counts no longer, and is kept under
   * another name there as soon as it is heard of again. Durable when this returns. It stands still until it is started.
   * @throws as `preview`, DAMAGED
   */
  async run(workspace: string, signal: AbortSignal): Promise<Loss> {
    const { store, hostName, workspaces, generationCheck } = this.#ctx;
    const { root: from } = this.#plan(workspace);
    await generationCheck.requireIntact(store.generations.require(from), { signal, hint: "Another host may hold it." });
    // Again, because that may have taken a while; from here to the record nothing can come between.
    const { row, root, migration, ...loss } = this.#plan(workspace);
    const epoch: Epoch = { number: row.epoch.number + 1, by: hostName };
    const begin = (): void => {
      if (migration?.role === "source") SourceJournal.resume(store, migration).advance("take-over", { error: `taken back from ${loss.owner}` });
      if (migration?.role === "destination") DestinationJournal.resume(store, migration).advance("take-over", { error: null });
      store.workspaces.update(workspace, { epoch, fencing: { host: loss.owner, root } });
    };
    this.#ctx.log.warn({ workspace, epoch, ...loss }, "taking over");
    if (migration?.role === "source") {
      store.transaction(begin);
      await workspaces.get(workspace).resumeAfterCancel();
      await removeIncoming(this.#ctx, migration.id);
    } else await workspaces.get(workspace).takeGeneration(root, row.recordingPaused, begin);
    if (migration?.role === "destination") await this.#settlement.take(migration.id, null);
    this.keepTelling(workspace);
    return loss;
  }

  /** At a start: whoever was not told yet. */
  recover(): void {
    for (const { name, fencing } of this.#ctx.store.workspaces.list()) if (fencing !== null) this.keepTelling(name);
  }

  /** Tells the host that a workspace was taken over from, until it has heard it. Does not wait. */
  keepTelling(workspace: string): void {
    if (this.#telling.has(workspace)) return;
    this.#telling.add(workspace);
    const run = async (): Promise<void> => {
      for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
        if (await this.#tell(workspace)) return;
        await delay(wait, this.#ctx.stopping);
      }
    };
    run()
      .catch((error: unknown) => {
        if (!this.#ctx.stopping.aborted) this.#ctx.log.error({ err: error, workspace }, "telling of a takeover");
      })
      .finally(() => this.#telling.delete(workspace));
  }

  /** True when there is nothing (more) to tell. */
  async #tell(workspace: string): Promise<boolean> {
    const { store, log } = this.#ctx;
    const row = store.workspaces.get(workspace);
    const host = row?.fencing?.host;
    if (row === null || host === undefined) return true;
    try {
      await this.#settlement.withLink(host, async (link) => {
        await link.send("fence", this.fenceOf(row));
        const { kept_as } = await link.expect("fenced");
        log.info({ workspace, host, kept_as }, "the earlier owner was told of the takeover");
      });
      this.#told(workspace, host);
      return true;
    } catch (error) {
      log.debug({ err: error, workspace, host }, "telling of a takeover");
      return false;
    }
  }

  #told(workspace: string, host: string): void {
    const { store } = this.#ctx;
    const row = store.workspaces.get(workspace);
    if (row?.fencing?.host === host) store.workspaces.update(workspace, { fencing: null });
  }

  /** What a host is told that deals with this workspace in an older epoch. */
  fenceOf({ name, epoch, base, fencing }: WorkspaceRow): Message<"fence"> {
    const root = fencing?.root ?? base;
    if (root === null) throw new HomewardError("INTERNAL", `${name} was taken over without a generation`);
    return { workspace: name, epoch, root };
  }

  /**
   * What another host says of a workspace it owns in an epoch, in an offer or because it took it over: what this host has
   * of an older one is set aside, and `from` is the owner.
   * @returns "outdated" if it is the other host's epoch that is older; else the name that this host's own work now has, or null
   * @throws CONFLICT while the workspace is in a migration or busy
   */
  async heed({ workspace, epoch, root }: Message<"fence">, from: string): Promise<{ readonly keptAs: string | null } | "outdated"> {
    const { store, workspaces, log } = this.#ctx;
    const row = store.workspaces.get(workspace);
    if (row === null) return { keptAs: null };
    const decided = onEpoch({ isOwner: row.owner === null, epoch: row.epoch }, epoch);
    if (decided === "fence-them") return "outdated";
    if (decided === "same") return { keptAs: null };
    const unfinished = store.migrations.unfinished().find((each) => each.workspace === workspace);
    if (unfinished !== undefined)
      throw new HomewardError("CONFLICT", `${workspace} is in a migration with ${unfinished.peer}`, { hint: "Try again when that is over." });
    if (decided === "follow") {
      await workspaces.get(workspace).betweenOperations("a new owner", () => {
        store.workspaces.update(workspace, { owner: from, epoch });
        return Promise.resolve();
      });
      return { keptAs: null };
    }
    const keptAs = await workspaces.setAside(workspace, { owner: from, epoch, root });
    log.warn({ workspace, from, epoch, keptAs }, "this workspace was taken over by another host");
    return { keptAs };
  }
}
