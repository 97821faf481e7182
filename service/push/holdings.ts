import { stat } from "node:fs/promises";
import { withTimeout } from "../../common/abort.ts";
import type { HostRoom } from "../../protocol/control.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { freeRoom } from "../migration/admission.ts";
import { bytesOnDisk } from "../store/disk-use.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { connectTo } from "./connect.ts";

/** Of one workspace: its base and those before it. More are never kept. */
const MAX_GENERATIONS_EACH = 10;
const MAX_HOLDINGS = 1000;
const ASK_MS = 10_000;

/** What a generation takes on this host's disk, layers that it shares with others included. */
export async function generationBytes(ctx: ServiceContext, generation: GenerationRecord): Promise<number> {
  let bytes = await bytesOnDisk(ctx.store.paths.generation(generation.root).dir);
  for (const path of generation.layers) bytes += (await stat(path).catch(() => null))?.size ?? 0;
  return bytes;
}

/** The generations that this host holds of the workspaces that `peer` may know of, and what it has free. */
export async function holdingsFor(ctx: ServiceContext, peer: string): Promise<Message<"held">> {
  const generations: Message<"held">["generations"] = [];
  for (const { name, base } of ctx.store.workspaces.list()) {
    if (!ctx.peers.shares(peer, name)) continue;
    let root = base;
    for (let i = 0; i < MAX_GENERATIONS_EACH && root !== null && generations.length < MAX_HOLDINGS; i++) {
      const generation = ctx.store.generations.get(root);
      if (generation === null) break;
      const bytes = await generationBytes(ctx, generation);
      generations.push({ workspace: name, root, bytes, created_at: generation.manifest.createdAt });
      root = generation.manifest.parent;
    }
  }
  return { generations, room: await freeRoom(ctx) };
}

/** Notes that a host holds a generation which this one holds as well. Never throws: it is for people to know. */
export async function noteHolding(ctx: ServiceContext, host: string, workspace: string, root: string): Promise<void> {
  try {
    const generation = ctx.store.generations.get(root);
    if (generation === null) return;
    const { createdAt } = generation.manifest;
    ctx.store.holdings.note(host, { workspace, root, bytes: await generationBytes(ctx, generation), createdAt });
  } catch (error) {
    ctx.log.warn({ err: error, host, root }, "noting what a host holds");
  }
}

/** Asks every host what it holds and has free. @returns that of those that answered, and names of the others */
export async function askHoldings(ctx: ServiceContext, signal: AbortSignal): Promise<{ readonly rooms: HostRoom[]; readonly silent: string[] }> {
  const ask = async (host: string): Promise<HostRoom | string> => {
    try {
      return await withTimeout(askOne(ctx, host, signal), ASK_MS, host);
    } catch (error) {
      ctx.log.info({ err: error, host }, "asking what it holds");
      return host;
    }
  };
  const answers = await Promise.all(ctx.peers.list().map(({ name }) => ask(name)));
  return { rooms: answers.filter((answer) => typeof answer !== "string"), silent: answers.filter((answer) => typeof answer === "string") };
}

async function askOne(ctx: ServiceContext, host: string, asked: AbortSignal): Promise<HostRoom> {
  const signal = AbortSignal.any([asked, ctx.stopping, AbortSignal.timeout(ASK_MS)]);
  const link = await connectTo(ctx, host, signal);
  try {
    const roundTripMs = await link.ping();
    await link.sendBytes("holdings");
    const { generations, room } = await link.expect("held");
    const held = generations.map(({ workspace, root, bytes, created_at }) => ({ workspace, root, bytes, createdAt: created_at }));
    ctx.store.holdings.replace(host, held);
    return { host, diskBytes: room.disk, memoryBytes: room.memory, clock: { aheadMs: link.clockAheadMs, roundTripMs } };
  } finally {
    void link.close();
  }
}
