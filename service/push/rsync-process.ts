import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { once } from "node:events";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { start, type ChildProcess } from "../../common/spawn.ts";

/**
 * rsync at either end of one file. Both run with arguments of this host only, without a shell, and confined: no more
 * memory than `MEMORY_BYTES`, no more time of a processor than the file warrants, no file larger than the one that is
 * expected. Who sends writes no file at all; who receives is told the name of the one file that it writes to, which exists:
 * rsync then refuses whatever is not one regular file, and the name that the other end gives it does not matter.
 */
export interface RsyncProcess {
  readonly pid: number;
  /** What the other end says. */
  readonly input: Writable;
  /** What it has to be told. */
  readonly output: Readable;
  /** @throws NO_ROOM, PEER with rsync's last words */
  readonly finished: Promise<void>;
  /** Ends it and everything it started, at once. */
  kill(): void;
}

const BRIDGE = join(import.meta.dirname, "rsync-bridge.sh");
const MEMORY_BYTES = 1024 ** 3;
const OPEN_FILES = 64;
/**
 * A rate at which every rsync gets through a file, and what it may take beyond that. Sums that all collide, or endless zeroes
 * well compressed, would keep one busy for days.
 */
const CPU_S = 600;
const SLOWEST_BYTES_PER_CPU_S = 1e6;
/** The guest's page: what changes in memory and on disk changes in these. Larger where there would be too many sums to keep. */
const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCKS = 2 ** 21;
/** The most that rsync takes. */
const MAX_BLOCK_BYTES = 128 * 1024;
/** rsync gives up when the other end is silent for so long; it sends signs of life itself. */
const TIMEOUT_S = 120;
const MAX_WORDS = 4096;
/** What a failed rsync has said may still be in the pipe. */
const LAST_WORDS_MS = 50;

/**
 * --inplace: what is there after a cut is kept and compared, block by block; --sparse: zeroes take no room. (--append-verify
 * does not go together with --sparse: rsync 3.5 fails at the first hole.)
 */
export function serverArguments(name: string, fileBytes: number, compress: boolean): string[] {
  const zstd = compress ? ["--compress-choice=zstd"] : [];
  // After "e." what the other end can do: what every rsync since 3.2 can, so that neither end has to tell.
  return ["--server", "-ISe.LsfxCIv", `-B${rsyncBlockBytes(fileBytes)}`, `--timeout=${TIMEOUT_S}`, ...zstd, "--inplace", "--no-W", ".", name];
}

/** By which blocks a file is compared. rsync's own choice, the root of the length, is far more than what changes at once. */
export function rsyncBlockBytes(fileBytes: number): number {
  let bytes = MIN_BLOCK_BYTES;
  while (bytes < MAX_BLOCK_BYTES && fileBytes / bytes > MAX_BLOCKS) bytes *= 2;
  return bytes;
}

export function senderArguments(path: string, name: string, level: number | null): string[] {
  const zstd = level === null ? [] : ["-z", "--compress-choice=zstd", `--compress-level=${level}`];
  const same = ["--ignore-times", "--sparse", "--inplace", "--no-whole-file", `--timeout=${TIMEOUT_S}`];
  const shown = ["--info=progress2", "--outbuf=L", "--no-human-readable"];
  return [...same, ...zstd, ...shown, "-e", `/bin/sh "${BRIDGE}"`, "--", path, `peer:${name}`];
}

function confined(fileBytes: number, writable: boolean, args: readonly string[]): [string, string[]] {
  const cpu = CPU_S + Math.ceil(fileBytes / SLOWEST_BYTES_PER_CPU_S);
  const limits = [`--fsize=${writable ? fileBytes : 0}`, `--as=${MEMORY_BYTES}`, `--cpu=${cpu}`, `--nofile=${OPEN_FILES}`, "--core=0"];
  return ["prlimit", [...limits, "--", "setpriv", "--no-new-privs", "--", "rsync", ...args]];
}

/** Nothing of this process's: RSYNC_… would change what rsync does, and so would a ~/.popt. */
const ENVIRONMENT = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", HOME: "/nonexistent" };

/**
 * Sends a file, which is only read.
 * @param file with an absolute path
 * @param level zstd level, null for no compression; the receiver has to know whether there is any
 * @param onBytes how many bytes of the file have been dealt with
 * @throws ENVIRONMENT if a program is missing
 */
export async function startSender(
  { path, name, bytes }: { readonly path: string; readonly name: string; readonly bytes: number },
  level: number | null,
  onBytes: (bytes: number) => void,
): Promise<RsyncProcess> {
  const [command, args] = confined(bytes, false, senderArguments(path, name, level));
  const child = await start(command, args, {
    env: ENVIRONMENT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
  });
  child.stdout?.on("data", (chunk: Buffer) => {
    const shown = [...chunk.toString("latin1").matchAll(/(\d+) +\d+%/g)].at(-1)?.[1];
    if (shown !== undefined) onBytes(Number(shown));
  });
  return wrap(child, child.stdio[3] as Writable, child.stdio[4] as Readable);
}

/**
 * Receives a file.
 * @param dir the folder that it is in, absolute
 * @param name of a regular file in it, empty or what an earlier attempt left
 * @param bytes that it will have
 * @throws ENVIRONMENT if a program is missing
 */
export async function startReceiver(dir: string, name: string, bytes: number, compress: boolean): Promise<RsyncProcess> {
  const [command, args] = confined(bytes, true, serverArguments(name, bytes, compress));
  const child = await start(command, args, { cwd: dir, env: ENVIRONMENT, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  return wrap(child, child.stdin as Writable, child.stdout as Readable);
}

function wrap(child: ChildProcess & { pid: number }, input: Writable, output: Readable): RsyncProcess {
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    words = (words + chunk.toString("latin1")).slice(-MAX_WORDS);
  });
  // One that ends early is judged by how it ended.
  input.on("error", () => undefined);
  output.on("error", () => undefined);
  // Not "close": what rsync started holds the pipes a moment longer.
  const finished = once(child, "exit").then(async () => {
    if (child.exitCode === 0) return;
    await delay(LAST_WORDS_MS);
    throw failure(child, words);
  });
  finished.catch(() => undefined);
  return {
    pid: child.pid,
    input,
    output,
    finished,
    kill: () => {
      input.destroy();
      output.destroy();
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended, and so has everything it started.
      }
    },
  };
}

function failure(child: ChildProcess, words: string): HomewardError {
  const said = words.replace(/[^\x20-\x7e\n]/g, "?").trim().split("\n").slice(-3).join("; ");
  if (/No space left|Disk quota exceeded/.test(words)) return new HomewardError("NO_ROOM", `rsync found no room: ${said}`);
  // 127: the confining programs did not find it.
  if (child.exitCode === 127)
    return new HomewardError("ENVIRONMENT", "rsync cannot be started", { hint: `Install it; "homeward doctor" says how.` });
  return new HomewardError("PEER", `rsync ended with ${String(child.exitCode ?? child.signalCode)}: ${said}`);
}
