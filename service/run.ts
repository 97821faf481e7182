import { flushCompileCache } from "node:module";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../common/errors.ts";
import { nameSchema } from "../protocol/control.ts";
import { parsePeerAddress } from "../protocol/peer-address.ts";
import { Service, type ServiceOptions } from "./service.ts";

const USAGE = "node service/main.ts --state DIR --name HOST [--listen SOCKET] [--listen-tls HOST:PORT] [--ssh-config FILE] [--peer NAME=SOCKET]... [--stop-machines]" +
  " [--keep-logs DAYS] [--no-pause-key] [--patience MINUTES] [--replay-in-viewer]";

/** Longer than a night without network. */
const PATIENCE_MINUTES = 12 * 60;

interface Arguments extends ServiceOptions {
  /** Machines are suspended when the service is told to end by a signal. */
  readonly stopMachines: boolean;
}

function hostName(text: string): string {
  const name = nameSchema.safeParse(text);
  if (name.success) return name.data;
  throw new HomewardError("USAGE", `"${text}" cannot be a host's name: 1 to 32 lower-case letters, digits and hyphens`);
}

function days(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new HomewardError("USAGE", `"${text}" is not a number of days`);
}

function minutes(text: string): number {
  if (/^\d{1,5}(\.\d{1,3})?$/.test(text)) return Number(text);
  throw new HomewardError("USAGE", `"${text}" is not a number of minutes`);
}

function parsePeer(text: string): [name: string, socket: string] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1)
    throw new HomewardError("USAGE", `"${text}" is not a peer`, { hint: "Write it as NAME=SOCKET." });
  return [hostName(text.slice(0, at)), resolve(text.slice(at + 1))];
}

function parseArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      state: { type: "string" },
      name: { type: "string" },
      listen: { type: "string" },
      "listen-tls": { type: "string" },
      "ssh-config": { type: "string" },
      peer: { type: "string", multiple: true, default: [] },
      "keep-logs": { type: "string" },
      patience: { type: "string" },
      "no-pause-key": { type: "boolean", default: false },
      "replay-in-viewer": { type: "boolean", default: false },
      "stop-machines": { type: "boolean", default: false },
    },
  });
  if (values.state === undefined || values.name === undefined) throw new HomewardError("USAGE", USAGE);
  return {
    stateDir: resolve(values.state),
    hostName: hostName(values.name),
    listen: values.listen === undefined ? null : resolve(values.listen),
    listenTls: values["listen-tls"] === undefined ? null : parsePeerAddress(values["listen-tls"], 0),
    sshConfig: values["ssh-config"] === undefined ? null : resolve(values["ssh-config"]),
    peers: new Map(values.peer.map(parsePeer)),
    pauseKey: !values["no-pause-key"],
    replayInViewer: values["replay-in-viewer"],
    keepLogsDays: values["keep-logs"] === undefined ? null : days(values["keep-logs"]),
    patienceMs: (values.patience === undefined ? PATIENCE_MINUTES : minutes(values.patience)) * 60_000,
    stopMachines: values["stop-machines"],
  };
}

async function main(): Promise<void> {
  // Sockets and files of this service are for its user, whatever the shell's umask.
  process.umask(0o077);
  const args = parseArguments();
  const service = await Service.start(args);
  const stop = (): void => {
    void service.stop(args.stopMachines ? "suspend" : "keep");
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.stdout.write(`${JSON.stringify({ type: "ready", control: service.controlSocket, pid: process.pid })}\n`);
  // Now, because a service may well be killed.
  flushCompileCache();
  await service.ended;
}

try {
  await main();
  process.exit(0);
} catch (thrown) {
  const isUsage = thrown instanceof TypeError && "code" in thrown && String(thrown.code).startsWith("ERR_PARSE_ARGS");
  const error = isUsage ? new HomewardError("USAGE", `${thrown.message}\n${USAGE}`) : toHomewardError(thrown);
  process.stderr.write(`homeward: ${error.message}\n${error.hint === undefined ? "" : `${error.hint}\n`}`);
  process.exit(EXIT_STATUS[error.code]);
}
