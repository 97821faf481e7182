import { HomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { CheckResult, PushResult } from "../../protocol/control.ts";
import type { MigrationMode } from "../../protocol/report.ts";
import type { ServiceContext } from "../context.ts";
import { bytesOnDisk } from "../store/disk-use.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { connectTo } from "./connect.ts";
import { generationFiles } from "./generation-files.ts";
import { noteHolding } from "./holdings.ts";
import { allocatedBytes, OutgoingPush, resumable } from "./outgoing-push.ts";

interface CallOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** The generation that a workspace of this host grew from. @throws CONFLICT, USAGE */
function baseToShare(ctx: ServiceContext, name: string, peer: string): GenerationRecord {
  const { owner, base } = ctx.workspaces.get(name);
  if (peer === ctx.hostName) throw new HomewardError("USAGE", `${peer} is this host`);
  if (owner !== "here")
    throw new HomewardError("CONFLICT", `${name} is on ${owner}`, { hint: `On ${owner}: homeward push ${name} ${peer}` });
  if (base === null)
    throw new HomewardError("CONFLICT", `${name} has no generation yet`, { hint: `"homeward seal ${name}" makes one.` });
  ctx.peers.requireRight(peer, "take", name);
  return ctx.store.generations.require(base);
}

/**
 * Lays the base of a workspace down on another host. One that was cut off goes on where it was.
 * @throws NOT_FOUND, CONFLICT, INCOMPATIBLE, NO_ROOM, DAMAGED, PEER, ENVIRONMENT, CANCELLED
 */
export async function push(
  ctx: ServiceContext,
  request: { readonly workspace: string; readonly peer: string; readonly bytesPerSecond: number | null },
  options: CallOptions,
): Promise<PushResult> {
  const { workspace, peer, bytesPerSecond } = request;
  const generation = baseToShare(ctx, workspace, peer);
  const signal = AbortSignal.any([options.signal, ctx.stopping]);
  const letGo = ctx.store.generations.hold(generation.root);
  try {
    await ctx.generationCheck.requireIntact(generation, {
      signal,
      progress: options.progress,
      hint: `Start ${workspace} and seal it again: that makes a generation of what it is now.`,
    });
    const link = await connectTo(ctx, peer, signal);
    try {
      const job = new OutgoingPush(ctx, { link, workspace, generation, bytesPerSecond, progress: options.progress, signal });
      const result = await job.run();
      await noteHolding(ctx, peer, workspace, generation.root);
      return result;
    } catch (error) {
      // Not waited for: a link that is stuck takes its time, and whoever stopped this does not.
      void link.abort(error);
      throw resumable(signal.aborted ? signal.reason : error, workspace, peer);
    } finally {
      void link.close();
    }
  } finally {
    letGo();
  }
}

/** Asks another host for everything that keeps it from taking a workspace, or from holding its base. */
export async function check(
  ctx: ServiceContext,
  request: {
    readonly workspace: string;
    readonly peer: string;
    readonly purpose: "migration" | "push";
    readonly mode: MigrationMode;
    readonly hold: boolean;
  },
  options: CallOptions,
): Promise<CheckResult> {
  const { workspace, peer, purpose, mode, hold } = request;
  const base = baseToShare(ctx, workspace, peer);
  const letGo = ctx.store.generations.hold(base.root);
  try {
    const written = ctx.store.paths.workspace(workspace).overlay;
    const overlay_bytes = purpose === "push" ? allocatedBytes(await generationFiles(ctx.store, base)) : await bytesOnDisk(written);
    const { machine, deviceBytes } = base.manifest;
    const signal = AbortSignal.any([options.signal, ctx.stopping]);
    const link = await connectTo(ctx, peer, signal);
    try {
      const device_bytes = purpose === "push" ? 0 : deviceBytes;
      await link.send("check", { purpose, workspace, mode, base: base.root, machine, overlay_bytes, device_bytes, hold });
      const { missing } = await link.expect("checked");
      return { workspace, peer, missing };
    } catch (error) {
      await link.abort(error);
      throw error;
    } finally {
      void link.close();
    }
  } finally {
    letGo();
  }
}
