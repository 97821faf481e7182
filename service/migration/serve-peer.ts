import type { Duplex } from "node:stream";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { MigrationRow } from "../../protocol/control.ts";
import { FIRST_EPOCH } from "../../protocol/epoch.ts";
import { decodeMessage, type Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { admit, requireFree, requireNotMigrating, type Admitted } from "./admission.ts";
import { Arrival } from "./arrival.ts";
import type { Arrivals } from "./arrivals.ts";
import { destinationAfterBreak } from "./decisions.ts";
import { DestinationJournal } from "./journal.ts";
import { noteHolding } from "../push/holdings.ts";
import { serveCheck, serveHoldings, servePush } from "../push/serve-push.ts";
import { inOrder } from "./orders.ts";
import type { LinkSessions } from "./link-sessions.ts";
import type { PeerLink } from "./peer-link.ts";
import type { Settlement } from "./settlement.ts";
import type { Takeover } from "./takeover.ts";
import { unexpected } from "./unexpected.ts";
import { WaitingProgress } from "./waiting-progress.ts";
import { whenRoom } from "./when-room.ts";
import { WireProgress } from "./wire-progress.ts";

type Offer = Message<"offer">;

/** What all connections share. */
export interface Serving {
  readonly settlement: Settlement;
  readonly arrivals: Arrivals;
  /** The same for generations that are laid down here. */
  readonly pushes: Arrivals;
  readonly sessions: LinkSessions;
  readonly takeover: Takeover;
}

/**
 * Serves one connection that another host opened.
 * @param certified the host that a certificate proves to be at the other end; null where its name is all there is
 * @throws what ended it before its time; the other host was told
 */
export async function servePeer(
  ctx: ServiceContext,
  serving: Serving,
  stream: Duplex,
  certified: string | null,
): Promise<void> {
  const { settlement, arrivals, pushes, sessions, takeover } = serving;
  const link = await sessions.accept(stream, certified, { host: ctx.hostName, signal: ctx.stopping });
  if (link === null) return;
  try {
    requireKnown(ctx, link.peer, certified);
    ctx.peers.noteSeen(link.peer);
    const frame = await link.receive();
    switch (frame.name) {
      case "offer":
        await serveOffer(ctx, serving, link, decodeMessage("offer", frame.payload));
        break;
      case "query":
        await serveQuery(settlement, link, decodeMessage("query", frame.payload).id);
        break;
      case "release": {
        const { id, workspace } = requireFrom(ctx, link, decodeMessage("release", frame.payload).id);
        await arrivals.endSettled(id, workspace, link.signal);
        await settlement.take(id, link);
        break;
      }
      case "push":
        await servePush(ctx, pushes, link, decodeMessage("push", frame.payload));
        break;
      case "check":
        await serveCheck(ctx, link, decodeMessage("check", frame.payload));
        break;
      case "holdings":
        await serveHoldings(ctx, link);
        break;
      case "verdict": {
        const { id, verdict } = decodeMessage("verdict", frame.payload);
        if (verdict !== "kept") throw unexpected(frame.name, "offer", link.peer);
        const { workspace } = requireFrom(ctx, link, id);
        await arrivals.endSettled(id, workspace, link.signal);
        await settlement.drop(id, "remove-generation");
        break;
      }
      case "fence": {
        const fence = decodeMessage("fence", frame.payload);
        ctx.peers.requireRight(link.peer, "push", fence.workspace);
        const heeded = await takeover.heed(fence, link.peer);
        if (heeded === "outdated") throw overtaken(ctx, fence.workspace);
        await link.send("fenced", { workspace: fence.workspace, kept_as: heeded.keptAs });
        break;
      }
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

/** Only the host that a migration comes from may say what became of it. */
function requireFrom(ctx: ServiceContext, link: PeerLink, id: string): MigrationRow {
  const row = ctx.store.migrations.get(id);
  if (row?.role !== "destination" || row.peer !== link.peer)
    throw new HomewardError("NOT_FOUND", `${ctx.hostName} has no migration ${id} from ${link.peer}`);
  return row;
}

function overtaken(ctx: ServiceContext, workspace: string): HomewardError {
  return new HomewardError("CONFLICT", `${workspace} was taken over by ${ctx.store.workspaces.require(workspace).owner ?? ctx.hostName}`);
}

/** A host whose epoch is older learns of it here, before it is refused; one with a newer epoch is the owner. */
async function compareEpochs(ctx: ServiceContext, takeover: Takeover, link: PeerLink, { workspace, epoch = FIRST_EPOCH, base }: Offer): Promise<void> {
  if ((await takeover.heed({ workspace, epoch, root: base }, link.peer)) !== "outdated") return;
  await link.send("fence", takeover.fenceOf(ctx.store.workspaces.require(workspace)));
  throw overtaken(ctx, workspace);
}

async function serveOffer(
  ctx: ServiceContext,
  serving: Serving,
  link: PeerLink,
  offer: Offer,
): Promise<void> {
  ctx.peers.requireRight(link.peer, "push", offer.workspace);
  const letGo = ctx.store.generations.hold(offer.base);
  try {
    if (offer.kind === "measurement") await arrive(ctx, serving.settlement, link, offer, link.signal);
    else await serveMigration(ctx, serving, link, offer);
  } finally {
    letGo();
  }
}

async function serveMigration(
  ctx: ServiceContext,
  { settlement, arrivals, takeover }: Serving,
  link: PeerLink,
  offer: Offer,
): Promise<void> {
  await arrivals.endEarlier(offer.workspace, link.peer, link.signal);
  await settlement.askAgain(offer.workspace, link.peer);
  await compareEpochs(ctx, takeover, link, offer);
  requireFree(ctx, offer, link.peer);
  await arrivals.run({ id: offer.id, workspace: offer.workspace, peer: link.peer }, async (stop) => {
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
  const progress = new WaitingProgress(ctx.activity.watch(offer.workspace, shown), link.peer);
  // A measurement leaves no record, so nothing could end the wait of one that is over.
  if (offer.kind === "migration")
    link.outlast({
      ms: ctx.patienceMs,
      connect: null,
      onOutage: (lastedMs) => {
        progress.outage(lastedMs);
      },
    });
  try {
    const arrival = new Arrival(ctx, { link, offer, ...admitted, journal, progress, signal });
    await inOrder("prepare", {
      install: () => arrival.run(),
      say: async () => {
        if (offer.kind === "migration") await ctx.generationCheck.vouch(ctx.store.generations.require(arrival.prepared.root));
        // The report counts every byte: nothing may come after it.
        shown.stop();
        await link.send("prepared", arrival.prepared);
      },
    });
    if (offer.kind === "measurement") journal.finishMeasurement(await link.expect("report"), "measure");
    else await beTold(ctx, settlement, link, journal);
  } catch (error) {
    const decided = destinationAfterBreak(journal.state);
    if (decided === "drop") await drop(ctx, journal, error);
    else if (decided === "ask" && offer.kind === "migration") settlement.keepAsking(offer.id);
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
async function beTold(ctx: ServiceContext, settlement: Settlement, link: PeerLink, journal: DestinationJournal): Promise<void> {
  const { id } = await link.expect("release");
  if (id !== journal.id) throw new HomewardError("PEER", `${link.peer} released another migration`);
  // What follows is settled over any connection.
  link.endWithConnection();
  await settlement.take(id, link);
  const report = await link.expect("report");
  if (report.id !== id) throw new HomewardError("PEER", `${link.peer} reported another migration`);
  journal.storeReport(report);
  await noteHolding(ctx, link.peer, report.workspace, report.root_destination);
}
