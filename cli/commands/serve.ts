import { mkdir, open } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { abortable, delay } from "../../common/abort.ts";
import { EXIT_STATUS, HomewardError, type ErrorCode } from "../../common/errors.ts";
import { exited, start, type ChildProcess } from "../../common/spawn.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { nameSchema } from "../../protocol/control.ts";
import { newCommand, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { controlSocket, defaultHostName } from "../state-dir.ts";

const SERVICE = join(import.meta.dirname, "..", "..", "service", "main.ts");
/** A service that has not answered after this long will not. */
const READY_TIMEOUT_MS = 30_000;
const RETRY_MS = 100;

interface Options {
  readonly name: string;
  readonly listen?: string;
  readonly peer: readonly string[];
  readonly detach?: boolean;
}

function hostName(text: string): string {
  if (!nameSchema.safeParse(text).success)
    throw new InvalidArgumentError("It is 1 to 32 lower-case letters, digits and inner hyphens.");
  return text;
}

/** Parses NAME=SOCKET and makes the socket's path absolute. */
function collectPeer(text: string, peers: readonly string[]): readonly string[] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError("It is NAME=SOCKET.");
  return [...peers, `${hostName(text.slice(0, at))}=${resolve(text.slice(at + 1))}`];
}

function serviceArguments(stateDir: string, { name, listen, peer }: Options): string[] {
  return [
    SERVICE,
    "--state",
    stateDir,
    "--name",
    name,
    ...(listen === undefined ? [] : ["--listen", resolve(listen)]),
    ...peer.flatMap((entry) => ["--peer", entry]),
  ];
}

function failure(status: number | NodeJS.Signals): HomewardError {
  const code = (Object.keys(EXIT_STATUS) as ErrorCode[]).find((candidate) => EXIT_STATUS[candidate] === status);
  return new HomewardError(code ?? "INTERNAL", `the service ended (${status})`, {
    hint: "What it said is above, or in service.log in the state folder.",
  });
}

/** Runs the service until it ends or the user stops it. */
async function inForeground(args: readonly string[], { signal, output, stateDir }: Invocation): Promise<void> {
  output.note(`Serving ${stateDir}. Ctrl-C stops the service; machines run on and the next one takes them over.`);
  const child = await start(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  signal.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
  const status = await exited(child);
  if (signal.aborted) return;
  if (status !== 0) throw failure(status);
}

/** Waits until the service answers, or has ended. */
async function answering(socket: string, child: ChildProcess, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  const gone = exited(child).then((status) => {
    throw failure(status);
  });
  // It only matters while this function waits.
  gone.catch(() => undefined);
  while (performance.now() < deadline) {
    const client = await ControlClient.connect(socket).catch(() => null);
    if (client !== null) {
      client.close();
      return;
    }
    await Promise.race([gone, abortable(delay(RETRY_MS), signal)]);
  }
  throw new HomewardError("TIMEOUT", "the service was started but does not answer", {
    hint: "See service.log in the state folder.",
  });
}

async function inBackground(args: readonly string[], { stateDir, signal, output }: Invocation): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const log = await open(join(stateDir, "service.log"), "a", 0o600);
  const child = await start(process.execPath, args, { detached: true, stdio: ["ignore", log.fd, log.fd] });
  await log.close();
  await answering(controlSocket(stateDir), child, signal);
  output.result(
    { pid: child.pid, state: stateDir },
    ({ pid }) => `Service running (process ${pid}); "homeward shutdown" ends it.`,
  );
}

export function serveCommand(): CommandEntry {
  return {
    command: newCommand(
      "serve",
      "Runs this computer's service, which owns workspaces, machines and links to other hosts.",
      [
        ["homeward serve", "in the foreground"],
        ["homeward serve --detach", "in the background"],
        ["homeward serve --name laptop --listen ~/hw/laptop.sock --peer home=~/hw/home.sock", ""],
      ],
    )
      .option("--name <host>", "what this host is called", hostName, defaultHostName())
      .option("--listen <socket>", "unix socket on which other hosts reach this one")
      .option("--peer <name=socket>", "another host and its socket; may be repeated", collectPeer, [])
      .option("--detach", "run in the background"),
    body: async (invocation, command) => {
      const options = command.opts<Options>();
      const args = serviceArguments(invocation.stateDir, options);
      await (options.detach === true ? inBackground(args, invocation) : inForeground(args, invocation));
    },
  };
}
