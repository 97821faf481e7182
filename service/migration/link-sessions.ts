import type { Duplex } from "node:stream";
import { HomewardError } from "../../common/errors.ts";
import { greet, type GreetOptions } from "./greeting.ts";
import { PeerLink } from "./peer-link.ts";

/** Links that have no connection may wait for one at the same time. */
const MAX_LINKS = 64;

interface Known {
  readonly link: PeerLink;
  /** The host that its certificate proves it to be; null where its name is all there is. */
  readonly certified: string | null;
}

/** The links that other hosts began and may go on with over another connection. */
export class LinkSessions {
  readonly #known = new Map<string, Known>();

  /**
   * Takes a connection that another host made.
   * @param certified the host that a certificate proves to be at the other end; null where its name is all there is
   * @returns the link that begins with it; null when it goes on with one that is under way
   * @throws PEER as `greet`, and for a link that is over or another host's; the other side was told
   */
  async accept(stream: Duplex, certified: string | null, options: GreetOptions): Promise<PeerLink | null> {
    const greeted = await greet(stream, options);
    const { host, session, resume } = greeted.hello;
    try {
      if (resume === undefined) return this.#begin(new PeerLink(greeted, session === undefined ? options : { ...options, session }), certified);
      const known = this.#known.get(resume.session);
      // Who knows its name and is somebody else learns no more than who does not.
      if (known === undefined || known.link.peer !== host || known.certified !== certified)
        throw new HomewardError("PEER", `nothing is under way on ${options.host} that this connection could go on with`, {
          hint: "Its service was restarted, perhaps, or has waited long enough.",
        });
      known.link.goOnOver(greeted, resume.received);
      return null;
    } catch (error) {
      void greeted.channel.refuse(error);
      throw error;
    }
  }

  #begin(link: PeerLink, certified: string | null): PeerLink {
    const { session } = link;
    if (session === null) return link;
    if (this.#known.has(session) || this.#known.size >= MAX_LINKS)
      throw new HomewardError("CONFLICT", "too many links are under way, or one of that name");
    this.#known.set(session, { link, certified });
    link.signal.addEventListener("abort", () => this.#known.delete(session), { once: true });
    return link;
  }

  /** Ends all links with a host. */
  end(peer: string, error: HomewardError): void {
    for (const { link } of [...this.#known.values()]) if (link.peer === peer) void link.abort(error);
  }
}
