import { readFile } from "node:fs/promises";

const EVERY_MS = 100;

/** Bytes of a process's memory, as the kernel counts them in /proc/PID/status (proc(5)). */
export interface ProcessMemory {
  /** Everything resident, the program's own code included. */
  readonly resident: number;
  /** What it allocated: heaps, stacks, buffers. */
  readonly anonymous: number;
}

/** @throws when there is no such process */
export async function processMemory(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return { resident: field("VmRSS"), anonymous: field("RssAnon") };
}

/** The most that a process took while this looked at it. */
export class MemoryPeak {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #peak: ProcessMemory = { resident: 0, anonymous: 0 };

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  async end(): Promise<ProcessMemory> {
    clearInterval(this.#timer);
    await this.#look();
    return this.#peak;
  }

  async #look(): Promise<void> {
    const now = await processMemory(this.#pid).catch(() => this.#peak);
    const { resident, anonymous } = this.#peak;
    this.#peak = { resident: Math.max(resident, now.resident), anonymous: Math.max(anonymous, now.anonymous) };
  }
}
