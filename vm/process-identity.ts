import { readdir, readFile } from "node:fs/promises";
import { delay } from "../common/abort.ts";

const GONE_POLL_MS = { first: 10, most: 250 } as const;

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot: proc(5), field 22 of /proc/PID/stat. */
  readonly startTicks: string;
}

export interface ProcessFacts extends ProcessIdentity {
  readonly args: readonly string[];
}

async function readProc(pid: number, name: string): Promise<string | null> {
  try {
    return await readFile(`/proc/${pid}/${name}`, "utf8");
  } catch {
    // Gone, or going: reading the files of an exiting process fails with ESRCH.
    return null;
  }
}

/** The start time, or `null` if there is no such process or it is only waiting to be reaped. */
async function startTicks(pid: number): Promise<string | null> {
  const stat = await readProc(pid, "stat");
  if (stat === null) return null;
  // The second field is the program's name in parentheses and may hold anything, so count from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X") return null;
  return fields[19] ?? null;
}

/** What runs under this number now; `null` if nothing does. */
export async function readProcess(pid: number): Promise<ProcessFacts | null> {
  const before = await startTicks(pid);
  const cmdline = await readProc(pid, "cmdline");
  const after = await startTicks(pid);
  if (before === null || cmdline === null || before !== after) return null;
  return { pid, startTicks: before, args: cmdline.split("\0").slice(0, -1) };
}

export async function isAlive(process: ProcessIdentity): Promise<boolean> {
  return (await startTicks(process.pid)) === process.startTicks;
}

/** Signals the process if it is still the same one. */
export async function signalProcess(target: ProcessIdentity, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (!(await isAlive(target))) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Every process that was started with this option and value, one after the other in its arguments. */
export async function startedWith(option: string, value: string): Promise<ProcessFacts[]> {
  const found = await Promise.all((await readdir("/proc")).filter((name) => /^[1-9][0-9]*$/.test(name)).map((pid) => readProcess(Number(pid))));
  return found.filter((each) => each !== null).filter(({ args }) => args.some((arg, index) => arg === option && args[index + 1] === value));
}

/** Resolves when the process has ended. It need not be a child of this one, so there is no event to wait for. */
export async function whenGone(target: ProcessIdentity): Promise<void> {
  let wait: number = GONE_POLL_MS.first;
  while (await isAlive(target)) {
    await delay(wait);
    wait = Math.min(wait * 2, GONE_POLL_MS.most);
  }
}
