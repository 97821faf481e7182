import type { MigrationRow } from "../../protocol/control.ts";
import type { ServiceContext } from "../context.ts";
import { pushFolder } from "../store/paths.ts";
import { destinationAfterRestart, sourceAfterRestart } from "./decisions.ts";
import { incomingIds, removeLeftovers } from "./incoming-files.ts";
import { DestinationJournal, SourceJournal } from "./journal.ts";
import type { Settlement } from "./settlement.ts";

/**
 * Brings every migration that an earlier run of the service was in the middle of to where it belongs. What only this host
 * decides is done when this returns; what the other host has to be asked or told goes on in the background.
 */
export async function recoverMigrations(ctx: ServiceContext, settlement: Settlement): Promise<void> {
  for (const row of ctx.store.migrations.unfinished()) {
    ctx.log.info({ migration: row.id, role: row.role, state: row.state }, "recovering a migration");
    if (row.role === "source") recoverSource(ctx, settlement, row);
    else recoverDestination(ctx, settlement, row);
  }
  await removeWhatIsOver(ctx);
  await resumeKept(ctx);
}

function recoverSource(ctx: ServiceContext, settlement: Settlement, row: MigrationRow): void {
  const journal = SourceJournal.resume(ctx.store, row);
  const before = journal.state;
  const { then } = sourceAfterRestart(before);
  journal.advance("restart", then === "tell" ? {} : { error: `the service ended while this was ${before}` });
  if (then === "tell") settlement.keepTelling(row.id);
  else settlement.tellKept(row);
}

function recoverDestination(ctx: ServiceContext, settlement: Settlement, row: MigrationRow): void {
  const journal = DestinationJournal.resume(ctx.store, row);
  const before = journal.state;
  const { then } = destinationAfterRestart(before);
  journal.advance("restart", then === "clean-up" ? { error: `the service ended while this was ${before}` } : {});
  if (then === "ask") settlement.keepAsking(row.id);
  if (then === "finish")
    settlement.take(row.id, null).catch((error: unknown) => {
      ctx.log.error({ err: error, migration: row.id }, "going on after a restart");
    });
}

/** Folders and twins of migrations that are over, or of which there is no record (a measurement has none). */
async function removeWhatIsOver(ctx: ServiceContext): Promise<void> {
  const needed = new Set(
    ctx.store.migrations
      .unfinished()
      // The source's folder still holds parts of the generation that it will keep.
      .filter(({ role }) => role === "source")
      .map(({ id }) => id),
  );
  for (const { workspace } of ctx.store.pushes.list()) needed.add(pushFolder(workspace));
  for (const id of await incomingIds(ctx)) if (!needed.has(id)) await removeLeftovers(ctx, id);
}

/** Workspaces that stand still for a migration that came to nothing run on. */
async function resumeKept(ctx: ServiceContext): Promise<void> {
  const released = new Set(
    ctx.store.migrations
      .unfinished()
      .filter(({ role }) => role === "source")
      .map(({ workspace }) => workspace),
  );
  for (const { name, state } of ctx.store.workspaces.list())
    if (state === "paused-for-migration" && !released.has(name)) await ctx.workspaces.get(name).resumeAfterCancel();
}
