import { rm } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { obstacles } from "../migration/admission.ts";
import type { Arrivals } from "../migration/arrivals.ts";
import type { PeerLink } from "../migration/peer-link.ts";
import { WireProgress } from "../migration/wire-progress.ts";
import { pushFolder } from "../store/paths.ts";
import { IncomingPush } from "./incoming-push.ts";
import { receivableBase, receiveDifference } from "./difference.ts";
import { holdingsFor, noteHolding } from "./holdings.ts";
import { installLanded } from "./landed.ts";

const MAX_MISSING = 20;

/** Answers what keeps this host from taking a workspace. */
export async function serveCheck(ctx: ServiceContext, link: PeerLink, asked: Message<"check">): Promise<void> {
  const missing: Message<"checked">["missing"] = [];
  for await (const { code, message, hint } of obstacles(ctx, asked, link.peer))
    if (missing.length < MAX_MISSING) missing.push({ code, message: message.slice(0, 4000), hint: hint?.slice(0, 1000) ?? null });
  await link.send("checked", { missing });
}

/** Answers which generations lie here. */
export async function serveHoldings(ctx: ServiceContext, link: PeerLink): Promise<void> {
  await link.send("held", await holdingsFor(ctx, link.peer));
}

/** Lets another host lay down a generation. @throws what ended it before its time */
export async function servePush(ctx: ServiceContext, arrivals: Arrivals, link: PeerLink, push: Message<"push">): Promise<void> {
  const { workspace, manifest } = push;
  ctx.peers.requireRight(link.peer, "push", workspace);
  await arrivals.endEarlier(workspace, link.peer, link.signal);
  const other = arrivals.from(workspace);
  if (other !== null) throw new HomewardError("CONFLICT", `${other} is pushing ${workspace} to ${ctx.hostName} just now`);
  await arrivals.run({ id: manifest.root, workspace, peer: link.peer }, async (stop) => {
    const shown = new WireProgress(link);
    const undo = link.endOn(stop);
    try {
      await receive(ctx, link, push, { signal: AbortSignal.any([link.signal, stop, ctx.stopping]), progress: shown });
    } finally {
      undo();
      shown.stop();
    }
  });
}

async function receive(
  ctx: ServiceContext,
  link: PeerLink,
  push: Message<"push">,
  options: { readonly signal: AbortSignal; readonly progress: WireProgress },
): Promise<void> {
  const { workspace: name, manifest } = push;
  const incoming = new IncomingPush(ctx, link, push, options);
  await incoming.admit();
  const owner = link.peer;
  const held = ctx.store.generations.get(manifest.root);
  if (held !== null) {
    await ctx.generationCheck.requireIntact(held, { ...options, hint: `Delete ${name} on ${ctx.hostName}, and push it again.` });
    await ctx.workspaces.receive({ name, owner, manifest }, (together) => {
      ctx.store.transaction(() => {
        together(held.layerIds);
      });
      return Promise.resolve();
    });
  } else {
    const base = push.difference === true && !incoming.hasBegun ? await receivableBase(ctx, manifest, options) : null;
    if (base !== null) {
      await receiveDifference(ctx, push, base, {
        ...options,
        link,
        workspace: name,
        install: (generation) =>
          ctx.workspaces.receive({ name, owner, manifest }, async (together) => {
            const installed = await ctx.store.generations.install(generation, (layers) => {
              // What may be done here may have been changed while it came.
              ctx.peers.requireRight(owner, "push", name);
              together(layers);
            });
            await ctx.generationCheck.vouch(installed);
          }),
      });
    } else await receiveFiles(ctx, incoming, push, owner);
  }
  await rm(ctx.store.paths.incomingOf(pushFolder(name)), { recursive: true, force: true });
  ctx.store.pushes.delete(name);
  await noteHolding(ctx, owner, name, manifest.root);
  options.progress.stop();
  await link.send("pushed", { root: manifest.root, held: held !== null });
}

async function receiveFiles(ctx: ServiceContext, incoming: IncomingPush, { workspace: name, manifest }: Message<"push">, owner: string): Promise<void> {
  const landed = await incoming.receive();
  await ctx.workspaces.receive({ name, owner, manifest }, (together) =>
    installLanded(ctx, landed, (layers) => {
      // What may be done here may have been changed while it came.
      ctx.peers.requireRight(owner, "push", name);
      together(layers);
      ctx.store.pushes.delete(name);
    }),
  );
}
