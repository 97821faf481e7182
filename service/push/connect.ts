import { HomewardError } from "../../common/errors.ts";
import type { ServiceContext } from "../context.ts";
import { PeerLink } from "../migration/peer-link.ts";

/** A link to another host, which ends with the signal. @throws NOT_FOUND, PEER */
export async function connectTo(ctx: ServiceContext, peer: string, signal: AbortSignal): Promise<PeerLink> {
  const link = await PeerLink.open(await ctx.peers.connect(peer, signal), { host: ctx.hostName, signal });
  if (link.peer !== peer) {
    const error = new HomewardError("PEER", `${link.peer} answers at the address of ${peer}`, {
      hint: "Check the addresses that the service was started with.",
    });
    void link.abort(error);
    throw error;
  }
  link.endOn(signal);
  return link;
}
