import { statfs } from "node:fs/promises";
import { totalmem } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import { hasUefi } from "../../vm/firmware.ts";
import type { ServiceContext } from "../context.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { bytesOnDisk } from "../store/disk-use.ts";
import { pushFolder } from "../store/paths.ts";
import { incompatibilities } from "../workspaces/compatibility.ts";
import { requireRoom, requireRoomToLand, tooLittleMemory, type FreeRoom } from "./room.ts";

type Offer = Message<"offer">;
type Asked = Message<"check">;

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
  for await (const obstacle of unfit(ctx, offer.workspace, offer.machine)) throw obstacle;
  if (offer.kind === "migration") {
    requireFree(ctx, offer, from);
    await requireNetwork(ctx, offer);
  }
  const base = requireBase(ctx, offer, from);
  await ctx.generationCheck.requireIntact(base, {
    ...options,
    hint: `Delete ${offer.workspace} on ${ctx.hostName} and create it again there from an export.`,
  });
  return { base, withoutTwin: requireRoom(offer, ctx.hostName, await freeRoom(ctx)) };
}

/**
 * Everything that would keep this host from taking a workspace just now, in the order in which it would be met. Nothing is
 * changed, and the generation, should it be here, is not read.
 * @param from the host that asks
 */
export async function* obstacles(ctx: ServiceContext, asked: Asked, from: string): AsyncGenerator<HomewardError> {
  const { workspace, machine, purpose } = asked;
  yield* refusals(() => { ctx.peers.requireRight(from, "push", workspace); });
  yield* unfit(ctx, workspace, machine);
  yield* refusals(() => requireNetwork(ctx, asked));
  if (purpose === "push") {
    yield* refusals(() => { requireReceivable(ctx, workspace, from); });
    const total = totalmem();
    if (total < machine.memoryBytes) yield tooLittleMemory(ctx.hostName, workspace, machine.memoryBytes, total);
    yield* refusals(async () => { requireRoomToLand(asked, ctx.hostName, await freeRoom(ctx), await landedBytes(ctx, workspace, from)); });
    return;
  }
  yield* refusals(() => { requireFree(ctx, asked, from); });
  yield* refusals(() => { requireBase(ctx, asked, from); });
  yield* refusals(async () => { requireRoom({ ...asked, kind: "migration" }, ctx.hostName, await freeRoom(ctx)); });
}

/** What a check refuses with; anything else is thrown. */
async function* refusals(check: () => void | Promise<void>): AsyncGenerator<HomewardError> {
  try {
    await check();
  } catch (error) {
    if (!(error instanceof HomewardError) || error.code === "INTERNAL") throw error;
    yield error;
  }
}

/** Why this computer cannot run that machine at all. */
async function* unfit(ctx: ServiceContext, workspace: string, machine: MachineDefinition): AsyncGenerator<HomewardError> {
  let qemuVersion: string;
  try {
    qemuVersion = await ctx.qemuVersion();
  } catch (error) {
    // Without QEMU nothing else can be found out.
    yield toHomewardError(error);
    return;
  }
  const { accelerator } = await ctx.accelerator();
  yield* incompatibilities(workspace, machine, { accelerator, qemuVersion, uefi: await hasUefi() });
  // A CPU can only be tried with an accelerator that is there.
  if (machine.accelerator === "tcg" || accelerator === "kvm") yield* refusals(() => ctx.requireHardware(machine));
}

/** The machine can be given a network without this computer's loopback in it, unless it may have that. @throws ENVIRONMENT */
async function requireNetwork(ctx: ServiceContext, { workspace, machine }: Pick<Offer, "workspace" | "machine">): Promise<void> {
  const isWithHost = ctx.store.workspaces.get(workspace)?.hostLoopback === true;
  if (!isWithHost && machine.nic !== "none") await ctx.ownNetwork();
}

/** Bytes that lie here from an earlier attempt of this host to push a generation of that workspace. */
async function landedBytes(ctx: ServiceContext, workspace: string, from: string): Promise<number> {
  return ctx.store.pushes.get(workspace)?.peer === from ? bytesOnDisk(ctx.store.paths.incomingOf(pushFolder(workspace))) : 0;
}

/** @throws NOT_FOUND, INCOMPATIBLE */
function requireBase(ctx: ServiceContext, asked: Pick<Offer, "workspace" | "base" | "machine">, from: string): GenerationRecord {
  const { workspace, machine } = asked;
  const base = ctx.store.generations.get(asked.base);
  if (base === null)
    throw new HomewardError("NOT_FOUND", lacking(ctx, workspace, from), {
      hint: `On ${from}: homeward push ${workspace} ${ctx.hostName}`,
      data: { root: asked.base },
    });
  if (!isDeepStrictEqual(base.manifest.machine, machine))
    throw new HomewardError(
      "INCOMPATIBLE",
      `${workspace} is another machine on ${from} than in its generation on ${ctx.hostName}: ${differences(base.manifest.machine, machine)}`,
      { hint: `Seal it anew, and push it to ${ctx.hostName}.`, data: { root: base.root } },
    );
  return base;
}

/** What is here instead of the generation that is asked for: none of that workspace, or one from before it was sealed anew. */
function lacking(ctx: ServiceContext, workspace: string, from: string): string {
  const held = ctx.store.workspaces.get(workspace)?.base ?? null;
  return held === null || ctx.store.generations.get(held) === null
    ? `${ctx.hostName} has no copy of the generation that ${workspace} grew from`
    : `${ctx.hostName} has only an older generation of ${workspace}, which was sealed anew on ${from}`;
}

/**
 * A generation of this workspace may be laid down here: it is not known yet, or belongs to the host that brings it.
 * @throws CONFLICT
 */
export function requireReceivable(ctx: ServiceContext, workspace: string, from: string): void {
  const known = ctx.workspaces.list().find(({ name }) => name === workspace);
  if (known === undefined) return;
  requireOwner(ctx, known, from);
  requireNotMigrating(ctx, workspace);
}

/**
 * The workspace is known here, owned by the host that offers it, and in no other migration.
 * @throws NOT_FOUND, CONFLICT
 */
export function requireFree(ctx: ServiceContext, { workspace }: Pick<Offer, "workspace">, from: string): void {
  const known = ctx.workspaces.list().find(({ name }) => name === workspace);
  if (known === undefined)
    throw new HomewardError("NOT_FOUND", `${ctx.hostName} has no workspace named ${workspace} to move into`, {
      hint: `On ${from}: homeward push ${workspace} ${ctx.hostName}`,
    });
  requireOwner(ctx, known, from);
  requireNotMigrating(ctx, workspace);
}

/** One that this host believes to be on a third one could end up with two owners. @throws CONFLICT */
function requireOwner(ctx: ServiceContext, { name, owner }: { readonly name: string; readonly owner: string }, from: string): void {
  if (owner === from) return;
  throw new HomewardError("CONFLICT", `${name} belongs to ${owner === "here" ? ctx.hostName : owner}`, {
    hint: `${ctx.hostName} does not know ${from} as its owner. Delete the copy that you do not want.`,
    data: { owner: owner === "here" ? ctx.hostName : owner },
  });
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

export async function freeRoom(ctx: ServiceContext): Promise<FreeRoom> {
  const { bavail, bsize } = await statfs(ctx.store.paths.incoming);
  return { disk: bavail * bsize, memory: process.availableMemory() };
}
