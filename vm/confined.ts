import { once } from "node:events";
import { Socket } from "node:net";
import { withTimeout } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { exited, start, type ChildProcess } from "../common/spawn.ts";
import { descriptorPath, namelessFile } from "./nameless-file.ts";
import { readProcess } from "./process-identity.ts";
import { logTail } from "./qemu-log.ts";
import { unprivilegedId } from "./run-as.ts";

/**
 * What QEMU is started through. Every program in between replaces itself by the next one, so that the process started is
 * QEMU in the end.
 */

/** For measurements between networks (RFC 2544): hardly a computer has a network of this number, which it would hide. */
const UPLINK = { network: "198.19.255.0/24", nameServer: "198.19.255.3" } as const;
const READY_MS = 20_000;

/** Names resolve as on this computer, also where that asks a server on its own loopback. */
export const RESOLV_CONF = `nameserver ${UPLINK.nameServer}\n`;

/**
 * In the new namespaces: other name servers, and pings as far as this computer allows them. The byte on descriptor 3 says
 * that the namespaces are there; the descriptor stays open as long as what is run.
 */
const ENTER = `mount --bind "$1" /etc/resolv.conf
echo "$2 $2" >/proc/sys/net/ipv4/ping_group_range
shift 2
echo >&3
exec "$@"`;

/** What a machine that nobody waits for may use. */
export interface Limits {
  /** Address space, which memory that is not in it cannot be taken beyond. */
  readonly bytes: number;
  /** Time of all its CPUs together. */
  readonly cpuSeconds: number;
}

function limited({ bytes, cpuSeconds }: Limits): string[] {
  return ["prlimit", `--as=${bytes}`, `--cpu=${cpuSeconds}`, "--core=0", "--", "nice", "-n", "5", "--"];
}

/** Without any right beyond that of opening its user's files, and perhaps of becoming another user, and no way to get one. */
function unprivileged(hasCapabilities: boolean, becomesOther: boolean): string[] {
  const kept = becomesOther ? ",+setuid,+setgid" : "";
  const drop = hasCapabilities ? [`--bounding-set=-all${kept}`, "--inh-caps=-all"] : [];
  return ["setpriv", "--no-new-privs", ...drop, "--"];
}

export interface Confinement {
  /** File to stand in for /etc/resolv.conf in a network of its own; null for this computer's network. */
  readonly resolvConf: string | null;
  readonly limits: Limits | null;
  /** This process is root's. */
  readonly isRoot: boolean;
  /** Number of the user that the command becomes by itself when it has opened its files; null if it stays who it is. */
  readonly runAs: number | null;
}

/** The command line that becomes `command`. */
export function confined(command: readonly string[], { resolvConf, limits, isRoot, runAs }: Confinement): string[] {
  const isOwn = resolvConf !== null;
  // In a user namespace of its own there would be nobody to become.
  const asRoot = runAs === null ? ["--user", "--map-root-user"] : [];
  const namespaces = ["unshare", ...asRoot, "--net", "--mount", "--", "sh", "-c", ENTER, "sh"];
  return [
    ...(isOwn ? [...namespaces, resolvConf, String(runAs ?? 0)] : []),
    ...(limits === null ? [] : limited(limits)),
    ...unprivileged(isRoot || isOwn, runAs !== null),
    ...command,
  ];
}

/**
 * Arguments of slirp4netns: whatever the namespace sends to the gateway's address, which stands for this computer's
 * loopback, is dropped. It ends when descriptor 4 is closed everywhere else.
 */
function uplinkArguments(pid: number): string[] {
  const fences = ["--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"];
  return ["--configure", ...fences, `--cidr=${UPLINK.network}`, "--ready-fd=3", "--exit-fd=4", String(pid), "tap0"];
}

function impossible(cause: unknown): HomewardError {
  const message = `this computer cannot give a machine a network without its own services in it: ${toHomewardError(cause).message}`;
  return new HomewardError("ENVIRONMENT", message.slice(0, 1000), {
    cause,
    hint:
      `"homeward doctor" says why. A workspace made with --allow-host-loopback does without: its guest then reaches ` +
      `what listens on this computer's loopback.`,
  });
}

/** The first byte on a socket, unless the program ends before. */
async function firstByte(from: Socket, child: ChildProcess): Promise<void> {
  const gone = exited(child).then((status) => {
    throw new Error(`${child.spawnfile} ended with ${status}`);
  });
  gone.catch(() => undefined);
  // It goes on without this process later, but its end is waited for now.
  child.ref();
  try {
    await withTimeout(Promise.race([once(from, "data"), gone]), READY_MS, child.spawnfile);
  } finally {
    child.unref();
  }
}

function socketOf(child: ChildProcess, descriptor: number): Socket {
  const stream = child.stdio[descriptor];
  if (stream instanceof Socket) return stream.on("error", () => undefined);
  throw new HomewardError("INTERNAL", `descriptor ${descriptor} is no socket`);
}

/** Joins the network of that process to the outside, for as long as somebody else holds the other end of `tie`. */
async function startUplink(pid: number, tie: Socket, logFd: number): Promise<void> {
  const stdio = ["ignore", logFd, logFd, "pipe", tie] as const;
  const child = await start("slirp4netns", uplinkArguments(pid), { detached: true, stdio });
  const ready = socketOf(child, 3);
  try {
    await firstByte(ready, child);
  } finally {
    ready.destroy();
  }
}

export interface OwnNetworkOptions {
  readonly cwd: string;
  /** For what the command says. */
  readonly logFd: number;
  /** For what the program says that keeps its network up. */
  readonly uplinkLogFd: number;
}

/**
 * Starts a command in namespaces of its own with a way out to the network, but none to this computer's loopback.
 * @param line what `confined` made
 * @returns the process, which may have ended by itself
 * @throws ENVIRONMENT where that is not possible
 */
export async function startWithOwnNetwork(
  line: readonly string[],
  { cwd, logFd, uplinkLogFd }: OwnNetworkOptions,
): Promise<ChildProcess & { pid: number }> {
  const [program = "", ...args] = line;
  const child = await start(program, args, { cwd, detached: true, stdio: ["ignore", logFd, logFd, "pipe"] }).catch((error: unknown) => {
    throw impossible(error);
  });
  const tie = socketOf(child, 3);
  try {
    await firstByte(tie, child);
    tie.pause();
    try {
      await startUplink(child.pid, tie, uplinkLogFd);
    } catch (error) {
      // A command that has ended already takes its network with it, and is left to say why itself.
      if ((await readProcess(child.pid)) !== null) throw error;
    }
    return child;
  } catch (error) {
    child.kill("SIGKILL");
    throw impossible(error);
  } finally {
    tie.destroy();
  }
}

/** Tries it out, with a program that does nothing. @throws ENVIRONMENT with what is missing */
export async function tryOwnNetwork(): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const runAs = await unprivilegedId("/");
  const line = confined(["sleep", "60"], { resolvConf: "/etc/resolv.conf", limits: null, isRoot, runAs });
  const log = await namelessFile();
  try {
    const child = await startWithOwnNetwork(line, { cwd: "/", logFd: log.fd, uplinkLogFd: log.fd });
    child.ref();
    child.kill("SIGKILL");
    await exited(child);
  } catch (error) {
    const words = await logTail(descriptorPath(log.fd));
    throw words === "" ? error : impossible(new Error(words, { cause: error }));
  } finally {
    await log.close();
  }
}
