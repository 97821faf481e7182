import { statfs } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { HomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import { hasUefi } from "../../vm/firmware.ts";
import type { ServiceContext } from "../context.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { requireCompatible } from "../workspaces/compatibility.ts";
import { requireRoom, type FreeRoom } from "./room.ts";

type Offer = Message<"offer">;

export interface Admitted {
  /** The generation that both start from. */
  readonly base: GenerationRecord;
  /** Why no twin may run; null when one may. */
  readonly withoutTwin: string | null;
}

/**
 * Everything that could keep this host from taking what is offered, found out while the user still works on the other
 * host: nothing was suspended yet.
 * @param from the host that offers it
 * @throws INCOMPATIBLE, NOT_FOUND, CONFLICT, DAMAGED, NO_ROOM with what the user can do about it
 */
export async function admit(
  ctx: ServiceContext,
  offer: Offer,
  from: string,
  options: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<Admitted> {
  const [{ accelerator }, qemuVersion] = await Promise.all([ctx.accelerator(), ctx.qemuVersion()]);
  requireCompatible(offer.workspace, offer.machine, { accelerator, qemuVersion, uefi: await hasUefi() });
  if (offer.kind === "migration") {
    requireFree(ctx, offer, from);
    const isWithHost = ctx.store.workspaces.get(offer.workspace)?.hostLoopback === true;
    if (!isWithHost && offer.machine.nic !== "none") await ctx.ownNetwork();
  }
  const base = ctx.store.generations.get(offer.base);
  if (base === null)
    throw new HomewardError("NOT_FOUND", `${ctx.hostName} has no copy of the generation that ${offer.workspace} grew from`, {
      hint: `Seal ${offer.workspace} with an export, and create it on ${ctx.hostName} from the exported folder.`,
      data: { root: offer.base },
    });
  if (!isDeepStrictEqual(base.manifest.machine, offer.machine))
    throw new HomewardError(
      "INCOMPATIBLE",
      `${offer.workspace} is another machine on ${from} than in its generation on ${ctx.hostName}: ${differences(base.manifest.machine, offer.machine)}`,
      { hint: `Seal it anew with an export, and create it on ${ctx.hostName} from that.`, data: { root: base.root } },
    );
  await ctx.generationCheck.requireIntact(base, {
    ...options,
    hint: `Delete ${offer.workspace} on ${ctx.hostName} and create it again there from an export.`,
  });
  return { base, withoutTwin: requireRoom(offer, ctx.hostName, await freeRoom(ctx)) };
}

/**
 * The workspace is known here, owned by the host that offers it, and in no other migration.
 * @throws NOT_FOUND, CONFLICT
 */
export function requireFree(ctx: ServiceContext, offer: Offer, from: string): void {
  const { workspace } = offer;
  const known = ctx.workspaces.list().find(({ name }) => name === workspace);
  if (known === undefined)
    throw new HomewardError("NOT_FOUND", `${ctx.hostName} has no workspace named ${workspace} to move into`, {
      hint:
        `On ${from}: homeward seal ${workspace} --export DIR, then on ${ctx.hostName}: ` +
        `homeward create ${workspace} --from DIR --owner ${from}`,
    });
  const { owner } = known;
  // One that this host believes to be on a third one could end up with two owners.
  if (owner !== from)
    throw new HomewardError("CONFLICT", `${offer.workspace} belongs to ${owner === "here" ? ctx.hostName : owner}`, {
      hint: `${ctx.hostName} does not know ${from} as its owner. Delete the copy that you do not want.`,
      data: { owner: owner === "here" ? ctx.hostName : owner },
    });
  requireNotMigrating(ctx, offer.workspace);
}

/** @throws CONFLICT if the workspace takes part in a migration that is not over, e.g. one that a crash cut off */
export function requireNotMigrating(ctx: ServiceContext, workspace: string): void {
  const other = ctx.store.migrations.unfinished().find((row) => row.workspace === workspace);
  if (other === undefined) return;
  throw new HomewardError("CONFLICT", `${workspace} is in a migration with ${other.peer} already`, {
    hint: `It is ${other.state}; it goes on as soon as ${other.peer} can be reached.`,
    data: { id: other.id, state: other.state },
  });
}

/** Which parts of two definitions differ, with both values. */
function differences(ours: MachineDefinition, theirs: MachineDefinition): string {
  const keys = Object.keys(ours) as (keyof MachineDefinition)[];
  return keys
    .filter((key) => !isDeepStrictEqual(ours[key], theirs[key]))
    .map((key) => `${key} is ${JSON.stringify(theirs[key])} there and ${JSON.stringify(ours[key])} here`)
    .join(", ");
}

async function freeRoom(ctx: ServiceContext): Promise<FreeRoom> {
  const { bavail, bsize } = await statfs(ctx.store.paths.incoming);
  return { disk: bavail * bsize, memory: process.availableMemory() };
}
