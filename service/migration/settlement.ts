import { z } from "zod";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { MigrationRow } from "../../protocol/control.ts";
import { generationManifestSchema } from "../../protocol/generation.ts";
import type { Message, Verdict } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { DestinationJournal, SourceJournal } from "./journal.ts";
import { PeerLink } from "./peer-link.ts";
import { onRelease, onTaken, onVerdict, verdictOf } from "./decisions.ts";
import { inOrder } from "./orders.ts";
import { removeIncoming } from "./incoming-files.ts";
import { whenRoom } from "./when-room.ts";

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;

/** What the source stores with `released`: enough to make the generation after a crash. */
const releasedDataSchema = z.strictObject({
  parts: z.strictObject({
    manifest: generationManifestSchema,
    ramTreePath: z.string(),
    diskTreePath: z.string(),
    ramHashesPath: z.string(),
    diskHashesPath: z.string(),
  }),
});
export type ReleasedData = z.infer<typeof releasedDataSchema>;

/** What the destination stores with `prepared`. */
const preparedDataSchema = z.strictObject({
  hold: z.boolean(),
  /** The generation was not here before; if the source keeps the workspace it is removed again. */
  newGeneration: z.boolean(),
  recordingPaused: z.boolean().default(false),
});
export type PreparedData = z.infer<typeof preparedDataSchema>;

/**
 * The end of a migration, from the destination's `prepared` and the source's `released` on: what both sides have to bring
 * to its end whatever breaks in between, over whichever connection there is, and after a restart of either.
 */
export class Settlement {
  readonly #ctx: ServiceContext;
  readonly #lock = new KeyedLock();
  readonly #taken = new Map<string, PromiseWithResolvers<undefined>>();
  readonly #loops = new Set<string>();

  constructor(ctx: ServiceContext) {
    this.#ctx = ctx;
  }

  /** What this host, as the source, tells `peer` about a migration. */
  verdict(id: string, peer: string): Verdict {
    const row = this.#ctx.store.migrations.get(id);
    if (row?.role !== "source" || row.peer !== peer) return verdictOf(null);
    // A measurement never gives anything up.
    return row.kind === "measurement" ? "kept" : verdictOf(SourceJournal.resume(this.#ctx.store, row).state);
  }

  /** Source: the destination owns the workspace. What was suspended becomes a generation here. May be repeated. */
  async peerTook(id: string): Promise<void> {
    await this.#lock.run(id, async () => {
      const row = this.#require(id, "source");
      const journal = SourceJournal.resume(this.#ctx.store, row);
      const decided = onTaken(journal.state);
      if (decided === "refuse")
        throw new HomewardError("PEER", `${row.peer} took a workspace that was not released to it`, { data: { id } });
      if (decided === "keep") await this.#keep(row, journal);
    });
    this.#deferred(id).resolve(undefined);
  }

  async #keep({ id, workspace, peer }: MigrationRow, journal: SourceJournal): Promise<void> {
    const { parts } = releasedDataSchema.parse(this.#ctx.store.migrations.data(id));
    await inOrder("keep", {
      install: () => this.#ctx.workspaces.get(workspace).becomeGeneration(parts, peer),
      record: () => {
        journal.advance("peer-took", { error: null });
      },
    });
    await removeIncoming(this.#ctx, id);
    await this.#ctx.generationCheck.vouch(this.#ctx.store.generations.require(parts.manifest.root));
  }

  /** Source: resolves when the destination has taken the workspace, over this or any other connection. */
  taken(id: string): Promise<unknown> {
    return this.#deferred(id).promise;
  }

  #deferred(id: string): PromiseWithResolvers<undefined> {
    const known = this.#taken.get(id);
    if (known !== undefined) return known;
    const deferred = Promise.withResolvers<undefined>();
    this.#taken.set(id, deferred);
    return deferred;
  }

  /**
   * Destination: the source released. Takes the workspace, says so on `link`, runs it unless it is to be held, says that
   * too. May be repeated; what was done before is only said again.
   * @throws CONFLICT if this migration did not get that far here
   */
  async take(id: string, link: PeerLink | null): Promise<void> {
    const arrivedMs = performance.now();
    await this.#lock.run(id, async () => {
      const row = this.#require(id, "destination");
      const journal = DestinationJournal.resume(this.#ctx.store, row);
      const { root } = row;
      const decided = onRelease(journal.state);
      if (decided === "refuse" || root === null)
        throw new HomewardError("CONFLICT", `${this.#ctx.hostName} holds nothing of migration ${id} (${row.state})`);
      const { hold, recordingPaused } = preparedDataSchema.parse(this.#ctx.store.migrations.data(id));
      await inOrder("take", {
        record: async () => {
          if (decided === "repeat") return;
          await this.#ctx.workspaces.get(row.workspace).takeGeneration(root, recordingPaused, () => {
            journal.advance("take", { error: null });
          });
        },
        say: () => tell(link, "taken", { id }),
      });
      const note = journal.state === "done" || hold ? null : await this.#start(row);
      const started = !hold && note === null;
      await whenRoom(this.#ctx, id, () => {
        if (journal.can("finish")) journal.advance("finish", { error: note });
        return Promise.resolve();
      });
      await tell(link, "done", { id, resume_s: (performance.now() - arrivedMs) / 1000, started, note });
    });
  }

  /** Why the machine could not be started, or null. It is owned here either way and can be started again by hand. */
  async #start(row: MigrationRow): Promise<string | null> {
    try {
      await this.#ctx.workspaces.get(row.workspace).start({ signal: this.#ctx.stopping });
      return null;
    } catch (error) {
      this.#ctx.log.error({ err: error, workspace: row.workspace, migration: row.id }, "starting after a migration");
      return `${row.workspace} was moved but did not start: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500);
    }
  }

  /**
   * Destination: the source did not release the workspace, so it is not this host's. A source that has no record at all
   * may have lost more than that: what was received from it is then kept as a generation that nobody uses.
   */
  async drop(id: string, received: "remove-generation" | "keep-generation"): Promise<void> {
    await this.#lock.run(id, async () => {
      const row = this.#require(id, "destination");
      const journal = DestinationJournal.resume(this.#ctx.store, row);
      if (!journal.can("source-kept")) return;
      const data = preparedDataSchema.safeParse(this.#ctx.store.migrations.data(id));
      journal.advance("source-kept", { error: `${row.peer} kept the workspace` });
      if (row.root === null || data.data?.newGeneration !== true || received === "keep-generation") return;
      // Its layer's file is removed when the service starts next: only then is nobody just adding one.
      await this.#ctx.store.generations.delete(row.root);
    });
  }

  /** Source: tells the destination that the workspace is released until it hears that it was taken. Does not wait. */
  keepTelling(id: string): void {
    this.#loop(id, "source", "released", async (row, link) => {
      await link.send("release", { id });
      await link.expect("taken");
      await this.peerTook(row.id);
    });
  }

  /**
   * Source: tells the destination once that the workspace was kept, as it may wait for a lost connection to come back; tries
   * for as long as it might. Does not wait.
   */
  tellKept({ id, peer }: { readonly id: string; readonly peer: string }): void {
    const untilMs = performance.now() + this.#ctx.patienceMs;
    const run = async (): Promise<void> => {
      for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
        try {
          await this.withLink(peer, (link) => link.send("verdict", { id, verdict: "kept" }));
          return;
        } catch (error) {
          if (performance.now() + wait > untilMs) throw error;
        }
        await delay(wait, this.#ctx.stopping);
      }
    };
    run().catch((error: unknown) => {
      if (!this.#ctx.stopping.aborted) this.#ctx.log.warn({ err: error, migration: id, peer }, "telling that it was kept");
    });
  }

  /** Destination: asks the source what became of a migration that was prepared until it says. Does not wait. */
  keepAsking(id: string): void {
    this.#loop(id, "destination", "prepared", (row, link) => this.#ask(row, link));
  }

  /**
   * Destination: a workspace that was prepared here is offered anew. Asks now what became of the last attempt, instead of
   * when the next question is due. Never throws: what stays open is refused as such.
   */
  async askAgain(workspace: string, peer: string): Promise<void> {
    for (const row of this.#ctx.store.migrations.unfinished()) {
      if (row.workspace !== workspace || row.peer !== peer || row.role !== "destination" || row.state !== "prepared") continue;
      await this.withLink(peer, (link) => this.#ask(row, link)).catch((error: unknown) => {
        this.#ctx.log.warn({ err: error, migration: row.id }, "settling a migration");
      });
    }
  }

  async #ask({ id }: MigrationRow, link: PeerLink): Promise<void> {
    await link.send("query", { id });
    const { verdict } = await link.expect("verdict");
    const decided = onVerdict(verdict);
    if (decided === "take") await this.take(id, link);
    else if (decided === "drop") await this.drop(id, "remove-generation");
    else if (decided === "drop-but-keep-generation") await this.drop(id, "keep-generation");
  }

  #loop(
    id: string,
    role: "source" | "destination",
    state: string,
    step: (row: MigrationRow, link: PeerLink) => Promise<void>,
  ): void {
    if (this.#loops.has(id)) return;
    this.#loops.add(id);
    const run = async (): Promise<void> => {
      for (let wait = FIRST_RETRY_MS; !this.#ctx.stopping.aborted; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
        const row = this.#require(id, role);
        if (row.state !== state) return;
        try {
          await this.withLink(row.peer, (link) => step(row, link));
        } catch (error) {
          this.#ctx.log.warn({ err: error, migration: id, peer: row.peer }, "settling a migration");
        }
        if (this.#require(id, role).state !== state) return;
        await delay(wait, this.#ctx.stopping);
      }
    };
    run()
      .catch((error: unknown) => {
        if (!this.#ctx.stopping.aborted) this.#ctx.log.error({ err: error, migration: id }, "settling a migration");
      })
      .finally(() => this.#loops.delete(id));
  }

  /** Does something on a connection of its own to a host. @throws PEER, what `work` throws */
  async withLink(peer: string, work: (link: PeerLink) => Promise<void>): Promise<void> {
    const stream = await this.#ctx.peers.connect(peer, this.#ctx.stopping);
    const link = await PeerLink.open(stream, { host: this.#ctx.hostName, signal: this.#ctx.stopping });
    try {
      if (link.peer !== peer) throw new HomewardError("PEER", `${link.peer} answers at the address of ${peer}`);
      await work(link);
    } finally {
      await link.close();
    }
  }

  #require(id: string, role: "source" | "destination"): MigrationRow {
    const row = this.#ctx.store.migrations.get(id);
    if (row?.role !== role) throw new HomewardError("NOT_FOUND", `${this.#ctx.hostName} has no migration ${id}`);
    return row;
  }
}

/** Says something that the other side may be gone for; it will ask again. */
async function tell<N extends "taken" | "done">(link: PeerLink | null, name: N, message: Message<N>): Promise<void> {
  await link?.send(name, message).catch(() => undefined);
}
