import { stat, statfs } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { HomewardError } from "../../common/errors.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import { LEAF_BLOCKS } from "../../syncer/hash-jobs.ts";
import { openFileBlocks, type MerkleTree } from "../../syncer/index.ts";
import type { ServiceContext } from "../context.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { requireCompatible } from "../workspaces/compatibility.ts";
import { fileSha256, readTrees } from "./generation-parts.ts";

type Offer = Message<"offer">;

/** What must stay free after everything was received. */
const SPARE_BYTES = 64 * 1024 * 1024;
/** Leaves of the RAM that are looked at. */
const SAMPLES = 16;

/**
 * Everything that could keep this host from taking what is offered, found out while the user still works on the other
 * host: nothing was suspended yet.
 * @param from the host that offers it
 * @returns the generation that both start from
 * @throws INCOMPATIBLE, NOT_FOUND, CONFLICT, DAMAGED, NO_ROOM with what the user can do about it
 */
export async function admit(ctx: ServiceContext, offer: Offer, from: string): Promise<GenerationRecord> {
  const [{ accelerator }, qemuVersion] = await Promise.all([ctx.accelerator(), ctx.qemuVersion()]);
  requireCompatible(offer.workspace, offer.machine, { accelerator, qemuVersion });
  if (offer.kind === "migration") requireFree(ctx, offer, from);
  const base = ctx.store.generations.get(offer.base);
  if (base === null)
    throw new HomewardError("NOT_FOUND", `${ctx.hostName} has no copy of the generation that ${offer.workspace} grew from`, {
      hint: `Seal ${offer.workspace} with an export, and create it on ${ctx.hostName} from the exported folder.`,
      data: { root: offer.base },
    });
  if (!isDeepStrictEqual(base.manifest.machine, offer.machine))
    throw new HomewardError("INCOMPATIBLE", `the machine of ${offer.workspace} is not the one of its generation`);
  await requireIntact(ctx, base);
  await requireRoom(ctx, offer);
  return base;
}

/** The workspace is known here, owned by the host that offers it, and in no other migration. */
function requireFree(ctx: ServiceContext, offer: Offer, from: string): void {
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

/** A cheap look at a generation's files; the exchange's own verification is what proves their content. */
async function requireIntact(ctx: ServiceContext, base: GenerationRecord): Promise<void> {
  const { manifest } = base;
  const damaged = (what: string): HomewardError =>
    new HomewardError("DAMAGED", `the ${what} of generation ${base.root.slice(0, 12)} is damaged on this host`, {
      hint: "Delete the workspace there and create it again from an export.",
      data: { root: base.root },
    });
  const ram = await stat(base.ramPath).catch(() => null);
  if (ram?.size !== manifest.machine.memoryBytes) throw damaged("RAM");
  const device = await fileSha256(base.devicePath).catch(() => null);
  if (device !== manifest.deviceSha256) throw damaged("device state");
  for (const layer of base.layers) if ((await stat(layer).catch(() => null)) === null) throw damaged("disk");
  const trees = await readTrees(base);
  if (trees.ram.root !== manifest.ramRoot) throw damaged("RAM's hash tree");
  if (trees.disk.root !== manifest.diskRoot) throw damaged("disk's hash tree");
  if (!(await samplesMatch(ctx, base.ramPath, trees.ram))) throw damaged("RAM");
}

/** Looks at a few leaves of the RAM, spread evenly: a file that was replaced or overwritten is noticed, a bad bit is not. */
async function samplesMatch(ctx: ServiceContext, ramPath: string, tree: MerkleTree): Promise<boolean> {
  const ram = await openFileBlocks(ramPath);
  try {
    for (let i = 0; i < SAMPLES; i++) {
      const leaf = Math.floor((i * tree.leafCount) / SAMPLES);
      const block = leaf * LEAF_BLOCKS;
      const data = await ram.read(block, Math.min(LEAF_BLOCKS, ram.blocks - block));
      const hash = await ctx.hashPool.hashLeaves({ kind: "data", data });
      if (!tree.leaf(leaf).equals(hash)) return false;
    }
    return true;
  } finally {
    await ram.close();
  }
}

async function requireRoom(ctx: ServiceContext, offer: Offer): Promise<void> {
  const { memoryBytes } = offer.machine;
  const { bavail, bsize } = await statfs(ctx.store.paths.incoming);
  const free = bavail * bsize;
  // The new RAM and disk; a twin writes about as much to its disk, and its RAM may have to go there too.
  const copies = offer.mode === "replay" ? 2 : 1;
  const needed = copies * (memoryBytes + offer.overlay_bytes) + offer.device_bytes + SPARE_BYTES;
  if (free < needed)
    throw new HomewardError("NO_ROOM", `${ctx.hostName} has too little disk space for ${offer.workspace}`, {
      hint: `Free ${Math.ceil((needed - free) / 1e6)} MB on ${ctx.hostName}.`,
      data: { needed, free },
    });
  const runs = offer.mode === "replay" || !offer.hold;
  const memory = process.availableMemory();
  if (runs && memory < memoryBytes)
    throw new HomewardError("NO_ROOM", `${ctx.hostName} has too little memory free to run ${offer.workspace}`, {
      hint: `Close something on ${ctx.hostName}; ${Math.ceil((memoryBytes - memory) / 1e6)} MB are missing.`,
      data: { needed: memoryBytes, free: memory },
    });
}
