import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { withTimeout } from "../../common/abort.ts";
import { toHomewardError } from "../../common/errors.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { nameSchema, type HostRoom } from "../../protocol/control.ts";
import { parsePeerAddress } from "../../protocol/peer-address.ts";
import { isSshAddress } from "../../protocol/ssh-address.ts";
import { PeerLink } from "../migration/peer-link.ts";
import { lockHolder } from "../store/lock.ts";
import { StatePaths } from "../store/paths.ts";
import { askThroughService, clockFinding } from "./clocks.ts";
import { fine, problem, quoted, warning, type Finding } from "./finding.ts";
import type { Listening } from "./listening.ts";

/** The service of this host, and the hosts that it knows. */

const ANSWER_MS = 5000;
const MAX_PEERS = 20;

export interface KnownHosts {
  /** What this host calls itself. */
  readonly host: string;
  readonly peers: readonly { readonly name: string; readonly address: string }[];
}

export interface ServiceFinding {
  readonly finding: Finding;
  /** Whether a service works in the state folder. */
  readonly running: boolean;
  /** From the service, or from what an earlier one stored; null when there was none. */
  readonly known: KnownHosts | null;
  /** Where the service listens for other hosts; null when none answers. */
  readonly listening: Listening | null;
}

async function ask(socket: string): Promise<{ readonly pid: number; readonly known: KnownHosts; readonly listening: Listening }> {
  const client = await ControlClient.connect(socket, ANSWER_MS);
  try {
    const { pid, host, peers, listen, listenTls } = await withTimeout(client.call("status", {}), ANSWER_MS, "the service");
    return { pid, known: { host, peers }, listening: { socket: listen, tls: listenTls } };
  } finally {
    client.close();
  }
}

const hostRows = z.array(z.object({ name: nameSchema })).length(1);
const peerRows = z.array(z.object({ name: nameSchema, address: z.string() })).max(1000);

/** What the last service wrote down; nothing is changed. Null when it cannot be read. */
async function stored(database: string): Promise<KnownHosts | null> {
  try {
    await access(database);
    const db = new DatabaseSync(database, { readOnly: true, timeout: ANSWER_MS });
    try {
      const [row] = hostRows.parse(db.prepare("SELECT name FROM host").all());
      const peers = peerRows.parse(db.prepare("SELECT name, address FROM peers UNION SELECT name, address FROM pairings ORDER BY name").all());
      return row === undefined ? null : { host: row.name, peers };
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}

/** Looks for the service of a state folder. */
export async function findService(stateDir: string): Promise<ServiceFinding> {
  const paths = new StatePaths(stateDir);
  const pid = await lockHolder(paths.lock);
  try {
    const { pid: answering, ...more } = await ask(paths.control);
    return { finding: fine(`running as ${more.known.host}, process ${answering}`), running: true, ...more };
  } catch (thrown) {
    const known = await stored(paths.database);
    if (pid === null)
      return {
        finding: warning("no service is running", {
          hint: "Nothing is recorded and no host can reach this one until it runs.",
          command: `homeward serve --detach --state ${quoted(stateDir)}`,
        }),
        running: false,
        known,
        listening: null,
      };
    const found = `process ${pid} has the state folder but does not answer: ${toHomewardError(thrown).message}`;
    const hint = "Machines run on when it ends; the next service takes them over. service.log may say why.";
    return { finding: problem(found, { hint, command: `kill ${pid}` }), running: true, known, listening: null };
  }
}

/** Greets another host as a migration would, and compares clocks. */
async function checkClaimed(host: string, { name, address }: KnownHosts["peers"][number]): Promise<Finding> {
  const hint = `Is ${name} on, its service running, and the link to it up? On ${name}: homeward status`;
  const socket = connect(address);
  socket.on("error", () => undefined);
  try {
    await withTimeout(once(socket, "connect"), ANSWER_MS, name);
    const link = await withTimeout(PeerLink.open(socket, { host }), ANSWER_MS, name);
    try {
      if (link.peer !== name)
        return problem(`the host at ${address} calls itself ${link.peer}`, {
          hint: `Restart this host's service with --peer ${link.peer}=${address}.`,
        });
      // A host that does not know this one says so after its greeting: the second answer comes after that.
      await withTimeout(link.ping(), ANSWER_MS, name);
      const ms = await withTimeout(link.ping(), ANSWER_MS, name);
      return clockFinding(ms, link.clockAheadMs);
    } finally {
      void link.close();
    }
  } catch (thrown) {
    socket.destroy();
    const error = toHomewardError(thrown);
    return warning(`cannot be reached at ${address}: ${error.message}`.slice(0, 1000), { hint: error.hint ?? hint });
  }
}

/**
 * Whether something takes connections there, and, where the service asked, whether it is who it should be and has the right time.
 * @param answers of the hosts that the service asked; null when it could not
 */
async function checkPaired({ name, address }: KnownHosts["peers"][number], answers: readonly HostRoom[] | null): Promise<Finding> {
  const answer = answers?.find(({ host }) => host === name);
  if (answer !== undefined) return answer.clock === null ? fine("answers") : clockFinding(answer.clock.roundTripMs, answer.clock.aheadMs);
  const unsaid = answers === null ? "its clock was not looked at, as no service here could ask it" : "but did not answer this host's service";
  const hint = `Has ${name} paired this host, and is its service running? On ${name}: homeward hosts`;
  if (isSshAddress(address)) {
    if (answers !== null) return warning(`is reached through ssh at ${address}, ${unsaid}`, { hint });
    // A login, and a program started over there, are more than a look.
    return fine(`is reached through ssh when it is needed, at ${address}; ${unsaid}`);
  }
  const socket = connect(parsePeerAddress(address));
  socket.on("error", () => undefined);
  try {
    await withTimeout(once(socket, "connect"), ANSWER_MS, name);
    if (answers !== null) return warning(`something takes connections at ${address}, ${unsaid}`, { hint });
    return fine(`something answers at ${address}; ${unsaid}`);
  } catch (thrown) {
    return warning(`cannot be reached at ${address}: ${toHomewardError(thrown).message}`.slice(0, 1000), {
      hint: `Is ${name} on, and its service running with --listen? On ${name}: homeward hosts`,
    });
  } finally {
    socket.destroy();
  }
}

/**
 * One finding for each host that is known, in that order.
 * @param control socket of this host's service, which asks those that are paired; null when none answers
 */
export async function checkPeers(
  known: KnownHosts | null,
  control: string | null,
): Promise<readonly (readonly [name: string, finding: Finding])[]> {
  if (known === null || known.peers.length === 0) return [["other hosts", fine("none are known")]];
  const { host } = known;
  const peers = known.peers.slice(0, MAX_PEERS);
  const isPaired = ({ address }: KnownHosts["peers"][number]): boolean => !isAbsolute(address);
  const answers = control !== null && peers.some(isPaired) ? await askThroughService(control) : null;
  return Promise.all(
    peers.map(async (peer) => [`host ${peer.name}`, await (isPaired(peer) ? checkPaired(peer, answers) : checkClaimed(host, peer))] as const),
  );
}
