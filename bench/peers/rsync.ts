import { readFile, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { HomewardError } from "../../common/errors.ts";
import { exited, run, start } from "../../common/spawn.ts";
import { Link } from "../../demo/link/link.ts";
import { DUMP_FILES } from "../residual/dump.ts";
import { ROUND_TRIP_MS, timesFromMeasured, type Row } from "./method.ts";
import { fileBytes, sameFiles, type Peer, type PeerContext } from "./peer.ts";
import type { StateFiles } from "./states.ts";
import { parseTime, timed, timedCommand, together } from "./timed.ts";

const SHELL = join(import.meta.dirname, "rsync-shell.ts");
const MEASURED_MBIT = 100;
/** Longer than rsync's longest list of options. */
const MAX_COMMAND_BYTES = 4096;

async function firstLine(socket: Socket): Promise<string[]> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [piece] = (await once(socket, "data")) as [Buffer];
    bytes = Buffer.concat([bytes, piece]);
    const end = bytes.indexOf(10);
    if (end !== -1) {
      socket.pause();
      socket.unshift(bytes.subarray(end + 1));
      return JSON.parse(bytes.subarray(0, end).toString()) as string[];
    }
    if (bytes.length > MAX_COMMAND_BYTES) throw new HomewardError("PEER", "no command came");
  }
}

/** Starts the rsync of the receiving end for each connection, its processor time and memory counted. */
async function serve(socket: Socket, figures: string, cwd: string): Promise<void> {
  const [program = "", ...args] = timedCommand(figures, await firstLine(socket));
  const child = await start(program, args, { cwd, stdio: ["pipe", "pipe", "inherit"] });
  if (child.stdin !== null) socket.pipe(child.stdin).on("error", () => undefined);
  if (child.stdout !== null) child.stdout.pipe(socket);
  const status = await exited(child);
  if (status !== 0) throw new HomewardError("GUEST", `the receiving rsync ended with ${status}`);
}

async function listen(path: string, figures: string, cwd: string, onEnd: (error?: unknown) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    serve(socket, figures, cwd).then(() => {
      onEnd();
    }, onEnd);
  });
  server.listen(path);
  await once(server, "listening");
  return server;
}

/** Brings the source's files onto a copy of `old`, over the counted line. */
async function overTheLine(method: string, old: StateFiles, extra: number, context: PeerContext, options: readonly string[]): Promise<Row> {
  const { states, dir, signal } = context;
  const target = join(dir, "target");
  const [near, far, figures] = [join(dir, "near"), join(dir, "far"), join(dir, "figures")];
  await run("cp", ["-rL", "--sparse=always", "--no-preserve=mode", "--", old.dir, target], { signal });
  const ended = Promise.withResolvers<undefined>();
  ended.promise.catch(() => undefined);
  const server = await listen(far, figures, dir, (error) => {
    if (error === undefined) ended.resolve(undefined);
    else ended.reject(error instanceof Error ? error : new Error("rsync failed"));
  });
  const link = await Link.start(`${MEASURED_MBIT}mbit,${ROUND_TRIP_MS}ms`, [{ direction: 0, listen: near, to: far }]);
  try {
    const startMs = performance.now();
    const command = ["rsync", "-rL", "-z", "--inplace", "--ignore-times", ...options, "-e", `${process.execPath} ${SHELL} ${near}`, `${states.source.dir}/`, `host:${target}/`];
    const sender = await timed(command, { scratch: join(dir, "sender"), signal });
    await ended.promise;
    const seconds = (performance.now() - startMs) / 1000;
    const bytes = (await link.settledBytes()) + extra;
    const receiver = parseTime(await readFile(figures, "utf8"));
    const names = Object.values(DUMP_FILES);
    const same = await Promise.all(names.map((name) => sameFiles(join(states.source.dir, name), join(target, name), signal)));
    return {
      method,
      bytes,
      times: timesFromMeasured(bytes, new Map([[MEASURED_MBIT, seconds]])),
      cpu_s: together([sender, receiver]).cpuS,
      peak_bytes: Math.max(sender.peakBytes, receiver.peakBytes),
      identical: same.every(Boolean),
      note: extra === 0 ? "" : "with the input log; the replay's time and processor time come on top",
    };
  } finally {
    await link.stop();
    server.close();
    await rm(target, { recursive: true, force: true });
  }
}

export const rsyncPeers: readonly Peer[] = [
  {
    name: "rsync",
    run: async (context) => [await overTheLine("rsync -z --inplace", context.states.base, await fileBytes(context.states.map), context, [])],
  },
  {
    name: "rsync-after-replay",
    run: async (context) => {
      const extra = (await fileBytes(context.states.map)) + context.logBytes;
      return [await overTheLine("rsync after replay (HotMobile'08)", context.states.twin, extra, context, [])];
    },
  },
];
