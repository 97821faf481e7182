import { open, readFile, rm } from "node:fs/promises";
import { throwIfAborted } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { exited, start } from "../../common/spawn.ts";
import type { Use } from "./process-tree.ts";

/** From Debian's package `time`: the only way to learn from outside what a program took with all that it started. */
const TIME = "/usr/bin/time";

export interface TimedOptions {
  /** Where the figures are put meanwhile. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Files for stdin and stdout. */
  readonly stdin?: string;
  readonly stdout?: string;
}

/** Reads what GNU time wrote with "%U %S %M": seconds, seconds, KiB. */
export function parseTime(text: string): Use {
  const [user, system, kib] = (text.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  if (user === undefined || system === undefined || kib === undefined || Number.isNaN(user + system + kib))
    throw new HomewardError("INTERNAL", `GNU time wrote ${text}`);
  return { cpuS: user + system, peakBytes: kib * 1024 };
}

/** The words around a command that make it write its figures to a file. */
export function timedCommand(figures: string, command: readonly string[]): string[] {
  return [TIME, "--quiet", "--format=%U %S %M", `--output=${figures}`, "--", ...command];
}

/** Runs a program to its end and says what it took. @throws GUEST with its status and last words */
export async function timed(command: readonly string[], options: TimedOptions): Promise<Use> {
  const { scratch, signal, cwd, env, stdin, stdout } = options;
  throwIfAborted(signal);
  const [figures, words] = [`${scratch}.time`, `${scratch}.words`];
  const files = [
    stdin === undefined ? undefined : await open(stdin, "r"),
    stdout === undefined ? undefined : await open(stdout, "w"),
    await open(words, "w"),
  ];
  const [program = "", ...args] = timedCommand(figures, command);
  const stop = new AbortController();
  try {
    const child = await start(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
      // A group of its own, so that all of it can be ended.
      detached: true,
      stdio: [files[0]?.fd ?? "ignore", files[1]?.fd ?? "ignore", files[2]?.fd ?? "ignore"],
    });
    child.ref();
    signal.addEventListener("abort", () => process.kill(-child.pid), { once: true, signal: stop.signal });
    const status = await exited(child);
    throwIfAborted(signal);
    if (status !== 0)
      throw new HomewardError("GUEST", `${command.join(" ")} ended with ${status}: ${(await readFile(words, "utf8")).slice(-500)}`);
    return parseTime(await readFile(figures, "utf8"));
  } finally {
    stop.abort();
    for (const file of files) await file?.close();
    for (const path of [figures, words]) await rm(path, { force: true });
  }
}

/** Several programs one after the other, as one. */
export function together(uses: readonly Use[]): Use {
  return { cpuS: uses.reduce((sum, { cpuS }) => sum + cpuS, 0), peakBytes: Math.max(0, ...uses.map(({ peakBytes }) => peakBytes)) };
}
