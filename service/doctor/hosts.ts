import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { withTimeout } from "../../common/abort.ts";
import { toHomewardError } from "../../common/errors.ts";
import { formatSeconds } from "../../common/quantities.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { nameSchema } from "../../protocol/control.ts";
import { parsePeerAddress } from "../../protocol/peer-address.ts";
import { isSshAddress } from "../../protocol/ssh-address.ts";
import { PeerLink } from "../migration/peer-link.ts";
import { lockHolder } from "../store/lock.ts";
import { StatePaths } from "../store/paths.ts";
import { fine, problem, quoted, warning, type Finding } from "./finding.ts";

/** The service of this host, and the hosts that it knows. */

const ANSWER_MS = 5000;
/** Clocks further apart make times in reports and ages in status misleading, milliseconds. */
const MAX_SKEW_MS = 5000;
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
}

async function ask(socket: string): Promise<{ readonly pid: number; readonly known: KnownHosts }> {
  const client = await ControlClient.connect(socket, ANSWER_MS);
  try {
    const { pid, host, peers } = await withTimeout(client.call("status", {}), ANSWER_MS, "the service");
    return { pid, known: { host, peers } };
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
    const { pid: answering, known } = await ask(paths.control);
    return { finding: fine(`running as ${known.host}, process ${answering}`), running: true, known };
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
      };
    const found = `process ${pid} has the state folder but does not answer: ${toHomewardError(thrown).message}`;
    const hint = "Machines run on when it ends; the next service takes them over. service.log may say why.";
    return { finding: problem(found, { hint, command: `kill ${pid}` }), running: true, known };
  }
}

/** Greets another host as a migration would, and compares clocks. */
async function checkPeer(host: string, { name, address }: KnownHosts["peers"][number]): Promise<Finding> {
  if (!isAbsolute(address)) return checkPaired(name, address);
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
      return reachable(ms, link.clockAheadMs);
    } finally {
      void link.close();
    }
  } catch (thrown) {
    socket.destroy();
    const error = toHomewardError(thrown);
    return warning(`cannot be reached at ${address}: ${error.message}`.slice(0, 1000), { hint: error.hint ?? hint });
  }
}

/** Whether something takes connections there. Who it is, is proved whenever a connection is used. */
async function checkPaired(name: string, address: string): Promise<Finding> {
  // A login, and a program started over there, are more than a look.
  if (isSshAddress(address)) return fine(`is reached through ssh when it is needed, at ${address}`);
  const socket = connect(parsePeerAddress(address));
  socket.on("error", () => undefined);
  try {
    await withTimeout(once(socket, "connect"), ANSWER_MS, name);
    return fine(`something answers at ${address}`);
  } catch (thrown) {
    return warning(`cannot be reached at ${address}: ${toHomewardError(thrown).message}`.slice(0, 1000), {
      hint: `Is ${name} on, and its service running with --listen? On ${name}: homeward hosts`,
    });
  } finally {
    socket.destroy();
  }
}

function reachable(roundTripMs: number, aheadMs: number | null): Finding {
  const answers = `answers in ${Math.max(1, Math.round(roundTripMs))} ms`;
  if (aheadMs === null) return fine(`${answers}; it does not tell its time`);
  // The time it said is half a round trip old, at least.
  const skewMs = Math.max(0, Math.abs(aheadMs) - roundTripMs);
  if (skewMs <= MAX_SKEW_MS) return fine(`${answers}, and the clocks agree`);
  return warning(`${answers}, but its clock is ${formatSeconds(skewMs / 1000)} ${aheadMs > 0 ? "ahead" : "behind"}`, {
    hint: "Set the clock that is wrong by the network; this does it on the computer where it is run.",
    command: "sudo timedatectl set-ntp true",
  });
}

/** One finding for each host that is known, in that order. */
export async function checkPeers(known: KnownHosts | null): Promise<readonly (readonly [name: string, finding: Finding])[]> {
  if (known === null || known.peers.length === 0) return [["other hosts", fine("none are known")]];
  const { host } = known;
  return Promise.all(
    known.peers
      .slice(0, MAX_PEERS)
      .map(async (peer) => [`host ${peer.name}`, await checkPeer(host, peer)] as const),
  );
}
