import { once } from "node:events";
import { connect } from "node:net";
import { withTimeout } from "../../common/abort.ts";
import { toHomewardError } from "../../common/errors.ts";
import { formatPeerAddress, parsePeerAddress, type PeerAddress } from "../../protocol/peer-address.ts";
import { fine, problem, type Finding } from "./finding.ts";

/** Whether other hosts can reach this one where its service says that it listens. */

const CONNECT_MS = 5000;

/** Where the service was told to listen. */
export interface Listening {
  /** Absolute path of a unix socket, or null. */
  readonly socket: string | null;
  /** HOST:PORT, or null. */
  readonly tls: string | null;
}

/** Every address of this computer leads there. */
const EVERYWHERE: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

function reachableAt({ host, port }: PeerAddress): PeerAddress {
  return { host: EVERYWHERE[host] ?? host, port };
}

/** Why nothing takes a connection there; null when something does. */
async function refusal(place: PeerAddress | { readonly path: string }): Promise<string | null> {
  const socket = connect(place);
  socket.on("error", () => undefined);
  try {
    await withTimeout(once(socket, "connect"), CONNECT_MS, "path" in place ? place.path : formatPeerAddress(place));
    return null;
  } catch (thrown) {
    return toHomewardError(thrown).message;
  } finally {
    socket.destroy();
  }
}

/** @param listening null while no service answers */
export async function checkListening(listening: Listening | null): Promise<Finding> {
  if (listening === null) return fine("was not looked at: no service answers");
  const { socket, tls } = listening;
  const places = [
    ...(socket === null ? [] : [[socket, { path: socket }] as const]),
    ...(tls === null ? [] : [[tls, reachableAt(parsePeerAddress(tls))] as const]),
  ];
  if (places.length === 0) return fine("no other host can begin a connection: the service was started without --listen");
  const said = await Promise.all(places.map(async ([place, at]) => ({ place, why: await refusal(at) })));
  const deaf = said.filter(({ why }) => why !== null);
  if (deaf.length === 0) return fine(`takes connections at ${said.map(({ place }) => place).join(" and ")}`);
  const found = `nothing takes connections at ${deaf.map(({ place, why }) => `${place} (${why ?? ""})`).join(" and ")}`;
  return problem(found.slice(0, 1000), {
    hint:
      "The service was told to listen there: has this computer still that address, and the socket still its name? Machines run " +
      "on when the service ends; start it again with homeward serve and the same options, or another --listen.",
    command: "homeward shutdown",
  });
}
