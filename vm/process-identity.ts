import { readFile } from "node:fs/promises";

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
