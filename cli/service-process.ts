import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { abortable, delay } from "../common/abort.ts";
import { EXIT_STATUS, HomewardError } from "../common/errors.ts";
import { exited, start, type ChildProcess } from "../common/spawn.ts";
import { ControlClient } from "../protocol/control-client.ts";
import { ERROR_CODES } from "./exit-status.ts";
import { controlSocket } from "../protocol/state-dir.ts";

/** A service that has not answered after this long will not. */
const READY_TIMEOUT_MS = 30_000;
const RETRY_MS = 100;
/** Of what a service in the background wrote, as much is searched for why it ended. */
const LAST_WORDS_BYTES = 8192;
/** How the service begins the message it ends with; its hint follows in lines of its own. */
const LAST_WORDS = "homeward: ";

/** Why a service ended, from its exit status and what it said last. */
function failure(status: number | NodeJS.Signals, words: readonly string[]): HomewardError {
  const code = ERROR_CODES.find((candidate) => EXIT_STATUS[candidate] === status) ?? "INTERNAL";
  const [message, ...hint] = words;
  return message === undefined
    ? new HomewardError(code, `the service ended (${status})`, { hint: "See service.log in the state folder." })
    : new HomewardError(code, message.slice(LAST_WORDS.length), hint.length === 0 ? {} : { hint: hint.join("\n") });
}

export interface ForegroundOptions {
  readonly signal: AbortSignal;
  /** Called when it is told to stop. */
  readonly onStopping: () => void;
  /** Called once it takes orders. */
  readonly onReady: (pid: number) => void;
  /** A line that it wrote for people. */
  readonly onLine: (line: string) => void;
}

/** Runs the service until it ends or is stopped by the signal. @throws why it ended, when nobody asked it to */
export async function runService(args: readonly string[], options: ForegroundOptions): Promise<void> {
  const { signal, onReady, onStopping, onLine } = options;
  const child = await start(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => {
    onStopping();
    child.kill("SIGTERM");
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  // Its first line says that it is ready; the rest of stdout is empty.
  child.stdout?.once("data", () => {
    onReady(child.pid);
  });
  const words: string[] = [];
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (words.length > 0 || line.startsWith(LAST_WORDS)) words.push(line);
      else onLine(line);
    });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const status = await exited(child);
  await closed;
  if (!signal.aborted && status !== 0) throw failure(status, words);
}

/** Process id of the service that answers there; null if none does. */
async function servicePid(socket: string): Promise<number | null> {
  const client = await ControlClient.connect(socket).catch(() => null);
  try {
    return client === null ? null : (await client.call("status", {})).pid;
  } finally {
    client?.close();
  }
}

/** Waits until the service answers, or has ended. */
async function answering(socket: string, child: ChildProcess, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  const gone = exited(child).then(() => false);
  while (performance.now() < deadline) {
    // Another service that was there before answers, too; this one ends then.
    if ((await abortable(servicePid(socket), signal)) === child.pid) return true;
    const alive = await Promise.race([gone, abortable(delay(RETRY_MS), signal).then(() => true)]);
    if (!alive) return false;
  }
  child.kill("SIGTERM");
  throw new HomewardError("TIMEOUT", "the service was started but does not answer", {
    hint: "See service.log in the state folder.",
  });
}

/**
 * Starts a service that goes on when this program ends, and returns its process id once it takes orders.
 * @throws why it ended; TIMEOUT when it does not answer
 */
export async function startService(stateDir: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const log = await open(join(stateDir, "service.log"), "a+", 0o600);
  try {
    const before = (await log.stat()).size;
    const child = await start(process.execPath, args, { detached: true, stdio: ["ignore", log.fd, log.fd] });
    if (await answering(controlSocket(stateDir), child, signal)) return child.pid;
    const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(LAST_WORDS_BYTES), position: before });
    // The service's own log lines are JSON objects.
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    const first = lines.findIndex((line) => line.startsWith(LAST_WORDS));
    throw failure(await exited(child), first < 0 ? [] : lines.slice(first));
  } finally {
    await log.close();
  }
}
