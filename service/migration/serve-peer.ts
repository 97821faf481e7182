import type { Duplex } from "node:stream";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { decodeMessage, type Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { admit, requireFree, requireNotMigrating, type Admitted } from "./admission.ts";
import { Arrival } from "./arrival.ts";
import type { Arrivals } from "./arrivals.ts";
import { DestinationJournal } from "./journal.ts";
import { PeerLink } from "./peer-link.ts";
import type { Settlement } from "./settlement.ts";
import { unexpected } from "./unexpected.ts";
import { whenRoom } from "./when-room.ts";
import { WireProgress } from "./wire-progress.ts";

type Offer = Message<"offer">;

/**
 * Serves one connection that another host opened.
 * @param certified the host that a certificate proves to be at the other end; null where its name is all there is
 * @throws what ended it before its time; the other host was told
 */
export async function servePeer(
  ctx: ServiceContext,
  settlement: Settlement,
  arrivals: Arrivals,
  stream: Duplex,
  certified: string | null,
): Promise<void> {
  const link = await PeerLink.open(stream, { host: ctx.hostName, signal: ctx.stopping });
  try {
    requireKnown(ctx, link.peer, certified);
    ctx.peers.noteSeen(link.peer);
    const frame = await link.receive();
    switch (frame.name) {
      case "offer":
        await serveOffer(ctx, settlement, arrivals, link, decodeMessage("offer", frame.payload));
        break;
      case "query":
        await serveQuery(settlement, link, decodeMessage("query", frame.payload).id);
        break;
      case "release":
        await settlement.take(requireFrom(ctx, link, decodeMessage("release", frame.payload).id), link);
        break;
      default:
        throw unexpected(frame.name, "offer", link.peer);
    }
  } catch (error) {
    await link.abort(error);
    throw error;
  } finally {
    await link.close();
  }
}

/** Over TLS the certificate says who it is and the name has to agree; on a socket only names given with it count. */
function requireKnown(ctx: ServiceContext, claimed: string, certified: string | null): void {
  if (certified !== null && claimed !== certified)
    throw new HomewardError("PEER", `${ctx.hostName} knows this host as ${certified}, but it calls itself ${claimed}`, {
      hint: `On ${ctx.hostName}: homeward unpair ${certified}, then pair it with --name ${claimed}.`,
    });
  if (certified === null && !ctx.peers.isClaimed(claimed))
    throw new HomewardError("PEER", `${ctx.hostName} does not know a host ${claimed}`, {
      hint: `Start the service on ${ctx.hostName} with --peer ${claimed}=ADDRESS.`,
    });
}

/** A destination that came back asks; if it may take the workspace, it says so at once. */
async function serveQuery(settlement: Settlement, link: PeerLink, id: string): Promise<void> {
  const verdict = settlement.verdict(id, link.peer);
  await link.send("verdict", { id, verdict });
  if (verdict !== "released") return;
  await link.expect("taken");
  await settlement.peerTook(id);
}

/** Only the host that a migration comes from may release it. */
function requireFrom(ctx: ServiceContext, link: PeerLink, id: string): string {
  const row = ctx.store.migrations.get(id);
  if (row?.role !== "destination" || row.peer !== link.peer)
    throw new HomewardError("NOT_FOUND", `${ctx.hostName} has no migration ${id} from ${link.peer}`);
  return id;
}

async function serveOffer(
  ctx: ServiceContext,
  settlement: Settlement,
  arrivals: Arrivals,
  link: PeerLink,
  offer: Offer,
): Promise<void> {
  ctx.peers.requireRight(link.peer, "push", offer.workspace);
  const letGo = ctx.store.generations.hold(offer.base);
  try {
    if (offer.kind === "measurement") await arrive(ctx, settlement, link, offer, link.signal);
    else await serveMigration(ctx, settlement, arrivals, link, offer);
  } finally {
    letGo();
  }
}

async function serveMigration(
  ctx: ServiceContext,
  settlement: Settlement,
  arrivals: Arrivals,
  link: PeerLink,
  offer: Offer,
): Promise<void> {
  await arrivals.endEarlier(offer.workspace, link.peer, link.signal);
  await settlement.askAgain(offer.workspace, link.peer);
  requireFree(ctx, offer, link.peer);
  await arrivals.run(offer.workspace, link.peer, async (stop) => {
    const undo = link.endOn(stop);
    try {
      await arrive(ctx, settlement, link, offer, AbortSignal.any([link.signal, stop]));
    } finally {
      undo();
    }
  });
}

async function arrive(
  ctx: ServiceContext,
  settlement: Settlement,
  link: PeerLink,
  offer: Offer,
  stop: AbortSignal,
): Promise<void> {
  const shown = new WireProgress(link);
  try {
    const signal = AbortSignal.any([stop, ctx.stopping]);
    const admitted = await admit(ctx, offer, link.peer, { signal, progress: shown });
    await receive(ctx, settlement, { link, offer, admitted, shown, signal });
  } finally {
    shown.stop();
  }
}

interface Reception {
  readonly link: PeerLink;
  readonly offer: Offer;
  readonly admitted: Admitted;
  readonly shown: WireProgress;
  readonly signal: AbortSignal;
}

/** Takes what was admitted, and whatever follows. */
async function receive(ctx: ServiceContext, settlement: Settlement, reception: Reception): Promise<void> {
  const { link, offer, admitted, shown, signal } = reception;
  // Again, because the look at the files took a while; from here to the row nothing can come between.
  if (offer.kind === "migration") requireNotMigrating(ctx, offer.workspace);
  const journal = DestinationJournal.begin(ctx.store, {
    id: offer.id,
    workspace: offer.workspace,
    kind: offer.kind,
    peer: link.peer,
    mode: offer.mode,
    base: offer.base,
  });
  const progress = ctx.activity.watch(offer.workspace, shown);
  try {
    const prepared = await new Arrival(ctx, { link, offer, ...admitted, journal, progress, signal }).run();
    if (offer.kind === "migration") await ctx.generationCheck.vouch(ctx.store.generations.require(prepared.root));
    // The report counts every byte: nothing may come after it.
    shown.stop();
    await link.send("prepared", prepared);
    if (offer.kind === "measurement") journal.finishMeasurement(await link.expect("report"), "measure");
    else await beTold(settlement, link, journal);
  } catch (error) {
    // Once prepared, this host cannot know whether the source released: it has to ask.
    if (journal.can("drop")) await drop(ctx, journal, error);
    else if (offer.kind === "migration" && journal.state === "prepared") settlement.keepAsking(offer.id);
    throw error;
  } finally {
    ctx.activity.clear(offer.workspace);
  }
}

/** What was to arrive is given up, as soon as that can be recorded. */
async function drop(ctx: ServiceContext, journal: DestinationJournal, error: unknown): Promise<void> {
  const { message } = toHomewardError(error);
  await whenRoom(ctx, journal.id, () => {
    if (journal.can("drop")) journal.advance("drop", { error: message });
    return Promise.resolve();
  }).catch((cause: unknown) => {
    ctx.log.error({ err: cause, migration: journal.id }, "recording that an arrival is given up");
  });
}

/** Waits for the release, takes the workspace, and stores the source's report. */
async function beTold(settlement: Settlement, link: PeerLink, journal: DestinationJournal): Promise<void> {
  const { id } = await link.expect("release");
  if (id !== journal.id) throw new HomewardError("PEER", `${link.peer} released another migration`);
  await settlement.take(id, link);
  const report = await link.expect("report");
  if (report.id !== id) throw new HomewardError("PEER", `${link.peer} reported another migration`);
  journal.storeReport(report);
}
