import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { Arrival } from "../migration/arrival.ts";
import { Departure } from "../migration/departure.ts";
import { removeIncoming } from "../migration/incoming-files.ts";
import { DestinationJournal, SourceJournal } from "../migration/journal.ts";
import type { PeerLink } from "../migration/peer-link.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { freeRoom } from "../migration/admission.ts";

/**
 * A generation for a host that holds the one before: the exchange of a migration without a replay, between two states at rest.
 * It costs what an overlay costs. Nothing is recorded of it, and one that is cut off begins anew.
 */
export interface DifferenceOptions {
  readonly link: PeerLink;
  readonly workspace: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Left free on the disk, for all else that this host does. */
const SPARE_BYTES = 64 * 1024 * 1024;

/** The generation before, if this host can tell by how the new one differs from it. */
export async function sendableBase(ctx: ServiceContext, { manifest }: GenerationRecord, options: Pick<DifferenceOptions, "progress" | "signal">): Promise<GenerationRecord | null> {
  const base = manifest.parent === null ? null : ctx.store.generations.get(manifest.parent);
  return base !== null && (await isUsable(ctx, base, manifest, options)) ? base : null;
}

/** The generation before, if this host can make the new one from it. */
export async function receivableBase(ctx: ServiceContext, manifest: GenerationManifest, options: Pick<DifferenceOptions, "progress" | "signal">): Promise<GenerationRecord | null> {
  const base = manifest.parent === null ? null : ctx.store.generations.get(manifest.parent);
  if (base === null || !(await isUsable(ctx, base, manifest, options))) return null;
  return (await freeRoom(ctx)).disk < manifest.machine.memoryBytes + SPARE_BYTES ? null : base;
}

/** One that is damaged is no base, and no obstacle: the files are sent then. */
async function isUsable(ctx: ServiceContext, base: GenerationRecord, { machine }: GenerationManifest, options: Pick<DifferenceOptions, "progress" | "signal">): Promise<boolean> {
  if (!isDeepStrictEqual(base.manifest.machine, machine)) return false;
  try {
    await ctx.generationCheck.requireIntact(base, { ...options, hint: "" });
    return true;
  } catch (error) {
    if (toHomewardError(error).code !== "DAMAGED") throw error;
    return false;
  }
}

/** Sends by how `generation` differs from `base`, up to the other host's `prepared`. @throws PEER, DAMAGED, CANCELLED */
export async function sendDifference(ctx: ServiceContext, generation: GenerationRecord, base: GenerationRecord, options: DifferenceOptions): Promise<void> {
  const { link, workspace, progress, signal } = options;
  const id = randomUUID();
  const { ramPath, devicePath, layers, manifest } = generation;
  const row = { id, workspace, kind: "measurement", peer: link.peer, mode: "overlay", base: base.root } as const;
  const state = { machine: manifest.machine, ramPath, devicePath, layers };
  const letGo = ctx.store.generations.hold(base.root);
  try {
    const departure = new Departure(ctx, {
      link,
      id,
      base,
      journal: SourceJournal.begin(ctx.store, row),
      mode: "overlay",
      auto: null,
      level: null,
      atRest: () => Promise.resolve({ state, recordingPaused: false, log: [], notes: [] }),
      keeps: "nothing",
      progress,
      signal,
    });
    const sent = await departure.run();
    if (sent.manifest.root !== generation.root)
      throw new HomewardError("DAMAGED", `the generation of ${workspace} is not what its root says`, { hint: `Seal ${workspace} again.` });
  } finally {
    letGo();
    await removeIncoming(ctx, id);
  }
}

/**
 * Makes the pushed generation from `base` and what the other host sends.
 * @param install gets the new files, whose root is the pushed one
 * @throws PEER, DAMAGED, NO_ROOM, CANCELLED, and what `install` throws
 */
export async function receiveDifference(
  ctx: ServiceContext,
  { manifest, files }: Message<"push">,
  base: GenerationRecord,
  options: DifferenceOptions & { readonly install: NonNullable<ConstructorParameters<typeof Arrival>[1]["install"]> },
): Promise<void> {
  const { link, workspace, progress, signal, install } = options;
  const id = randomUUID();
  const row = { id, workspace, kind: "measurement", peer: link.peer, mode: "overlay", base: base.root } as const;
  const letGo = ctx.store.generations.hold(base.root);
  try {
    const arrival = new Arrival(ctx, {
      link,
      offer: {
        ...row,
        machine: manifest.machine,
        overlay_bytes: files.reduce((sum, { allocated }) => sum + allocated, 0),
        device_bytes: manifest.deviceBytes,
        hold: true,
      },
      base,
      withoutTwin: null,
      journal: DestinationJournal.begin(ctx.store, row),
      progress,
      signal,
      install: async (generation) => {
        if (generation.manifest.root !== manifest.root)
          throw new HomewardError("PEER", `${link.peer} sent another generation than the one that it pushes`);
        await install(generation);
      },
    });
    await arrival.run();
    await link.send("prepared", arrival.prepared);
  } finally {
    letGo();
    ctx.activity.clear(workspace);
  }
}
