import { readdir, rm } from "node:fs/promises";
import type { ServiceContext } from "../context.ts";
import { removeLeftTwin } from "./twin.ts";

/** Name of the run folder for the sockets of one migration's disk readers; short, for the paths in it. */
export function incomingRunId(migrationId: string): string {
  return `mig-${migrationId.slice(0, 13)}`;
}

/** Removes a migration's folder and everything in it. */
export async function removeIncoming(ctx: ServiceContext, migrationId: string): Promise<void> {
  await rm(ctx.store.paths.incomingOf(migrationId), { recursive: true, force: true });
}

/** Migrations that have a folder, whether or not anything is known about them. */
export async function incomingIds(ctx: ServiceContext): Promise<string[]> {
  return readdir(ctx.store.paths.incoming);
}

/** Removes everything that an earlier run of the service left of a migration, its twin included. */
export async function removeLeftovers(ctx: ServiceContext, migrationId: string): Promise<void> {
  await removeLeftTwin(ctx, migrationId);
  await ctx.runDirs.remove(incomingRunId(migrationId));
  await removeIncoming(ctx, migrationId);
}
