import { join, resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { HomewardError } from "../../common/errors.ts";
import { nameSchema } from "../../protocol/control.ts";
import { formatPeerAddress, parsePeerAddress } from "../../protocol/peer-address.ts";
import { newCommand, wholeNumber, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { runService, startService } from "../service-process.ts";
import { defaultHostName } from "../host-name.ts";
import { bridgeToService } from "../stdio-bridge.ts";

const SERVICE = join(import.meta.dirname, "..", "..", "service", "main.ts");

interface Options {
  readonly name: string;
  readonly listen?: readonly string[];
  readonly peer?: readonly string[];
  readonly detach?: boolean;
  readonly sshConfig?: string;
  readonly stdio?: boolean;
  readonly keepLogs?: number;
  readonly pauseKey: boolean;
  readonly replayInViewer?: boolean;
  readonly patience?: number;
}

function hostName(text: string): string {
  if (!nameSchema.safeParse(text).success)
    throw new InvalidArgumentError("It is 1 to 32 lower-case letters, digits and inner hyphens.");
  return text;
}

/** Parses NAME=SOCKET and makes the socket's path absolute. */
function collectPeer(text: string, peers: readonly string[] = []): readonly string[] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError("It is NAME=SOCKET.");
  return [...peers, `${hostName(text.slice(0, at))}=${resolve(text.slice(at + 1))}`];
}

/** A path with a slash in it, or a name that is no HOST:PORT, is a socket's. */
function collectListen(text: string, places: readonly string[] = []): readonly string[] {
  return [...places, /^[^/]+:\d+$/.test(text) ? `tls=${formatPeerAddress(parsePeerAddress(text, 0))}` : `socket=${resolve(text)}`];
}

/** The one place of a kind to listen on, as the service takes it. */
function listenArguments(places: readonly string[]): string[] {
  const kinds = { "socket=": "--listen", "tls=": "--listen-tls" };
  return Object.entries(kinds).flatMap(([prefix, option]) => {
    const [place, more] = places.filter((each) => each.startsWith(prefix));
    if (more !== undefined) throw new HomewardError("USAGE", "--listen takes one socket and one HOST:PORT at most");
    return place === undefined ? [] : [option, place.slice(prefix.length)];
  });
}

function serviceArguments(stateDir: string, { name, listen = [], keepLogs, patience, pauseKey, peer = [], sshConfig, replayInViewer }: Options): string[] {
  return [
    SERVICE,
    "--state",
    stateDir,
    "--name",
    name,
    ...listenArguments(listen),
    ...(sshConfig === undefined ? [] : ["--ssh-config", resolve(sshConfig)]),
    ...(keepLogs === undefined ? [] : ["--keep-logs", String(keepLogs)]),
    ...(patience === undefined ? [] : ["--patience", String(patience)]),
    ...(pauseKey ? [] : ["--no-pause-key"]),
    ...(replayInViewer === true ? ["--replay-in-viewer"] : []),
    ...peer.flatMap((entry) => ["--peer", entry]),
  ];
}

/** Runs the service until it ends or the user stops it. */
async function inForeground(args: readonly string[], invocation: Invocation): Promise<void> {
  const { signal, output, stateDir, surroundings } = invocation;
  await runService(args, {
    signal,
    onReady: (pid) => {
      output.result({ pid, state: stateDir }, () => `Serving ${stateDir} (process ${pid}).`);
      output.note("Ctrl-C stops the service; machines run on, and the next service takes them over.");
    },
    onStopping: () => {
      output.note("Stopping the service; Ctrl-C again leaves it to end by itself.");
    },
    onLine: (line) => surroundings.stderr.write(`${line}\n`),
  });
}

async function inBackground(args: readonly string[], { stateDir, signal, output }: Invocation): Promise<void> {
  const pid = await startService(stateDir, args, signal);
  output.result({ pid, state: stateDir }, () => `Service running (process ${pid}); "homeward shutdown" ends it.`);
}

export function serveCommand(): CommandEntry {
  return {
    command: newCommand(
      "serve",
      "Runs this computer's service, which owns workspaces, machines and links to other hosts.",
      [
        ["homeward serve", "in the foreground"],
        ["homeward serve --detach", "in the background"],
        ["homeward serve --name laptop --listen 0.0.0.0:7411", "open to the hosts that it is paired with"],
        ["homeward serve --name laptop --listen ~/hw/laptop.sock --peer home=$HOME/hw/home.sock", "with another host of yours, through a tunnel"],
      ],
      "One service for each state folder. When it ends, machines run on and the next one takes them over, but nothing is " +
        "recorded meanwhile. Over TLS and through ssh only paired hosts are served; whoever can open the " +
        "socket is believed to be who it says.",
      ["CONFLICT", "TIMEOUT"],
    )
      .option("--name <name>", "what this host is called", hostName, defaultHostName())
      .option(
        "--listen <socket>",
        "unix socket for the hosts of --peer, or HOST:PORT for paired hosts (TLS); one of each (default: none)",
        collectListen,
      )
      .option("--peer <name=socket>", "another host and its socket, or a tunnel to it; may be repeated (default: none)", collectPeer)
      .option(
        "--keep-logs <days>",
        "forget input logs this long after the next generation, 0 to 36500 (default: keep them with their generation)",
        wholeNumber(0, 36_500),
      )
      .option(
        "--patience <minutes>",
        "how long a migration waits for a lost connection to come back, 0 to 43200 (default: 720)",
        wholeNumber(0, 43_200),
      )
      .option("--no-pause-key", "give Ctrl+Alt+Shift+F12 to the guest; it pauses the recording otherwise")
      .option("--ssh-config <file>", "settings for ssh in place of yours, for hosts that are paired as ssh://... (default: yours)")
      .option("--stdio", "start nothing, but join input and output to the running service: what ssh starts for another host")
      .option("--replay-in-viewer", "replay by typing and clicking in a viewer on a headless display, not through QEMU's socket")
      .option("--detach", "run in the background"),
    body: async (invocation, command) => {
      const options = command.opts<Options>();
      if (options.stdio === true) {
        await bridgeToService(invocation.stateDir, process.stdin, process.stdout, invocation.signal);
        return;
      }
      const args = serviceArguments(invocation.stateDir, options);
      await (options.detach === true ? inBackground(args, invocation) : inForeground(args, invocation));
    },
  };
}
