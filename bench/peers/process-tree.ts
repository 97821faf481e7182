import { readFile } from "node:fs/promises";
import { processMemory } from "../memory.ts";

const EVERY_MS = 250;
/** USER_HZ, which is 100 on every Linux that this runs on (time(7)). */
const TICKS_A_SECOND = 100;

/** What work took of one end's computer. */
export interface Use {
  /** Processor time, user and system. */
  readonly cpuS: number;
  /** The most memory at one time. */
  readonly peakBytes: number;
}

/** A process and all that it started, as far as it still lives. Only children of first threads are found: all of ours are. */
async function tree(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const children = text.split(" ").filter((word) => word !== "").map(Number);
  return [pid, ...(await Promise.all(children.map(tree))).flat()];
}

/** Seconds from the line of /proc/PID/stat: its own, and those of children that ended (proc(5), fields 14 to 17). */
export function cpuSeconds(statLine: string): number {
  const fields = statLine.slice(statLine.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / TICKS_A_SECOND;
}

async function cpuOf(pid: number): Promise<number> {
  const each = (await tree(pid)).map(async (one) => cpuSeconds(await readFile(`/proc/${one}/stat`, "latin1").catch(() => ") ")));
  return (await Promise.all(each)).reduce((sum, seconds) => sum + (Number.isNaN(seconds) ? 0 : seconds), 0);
}

/** Counts what a process and all below it take from now on. Memory is looked at several times a second. */
export class TreeUse {
  readonly #pid: number;
  readonly #before: number;
  readonly #timer: NodeJS.Timeout;
  #peakBytes = 0;

  private constructor(pid: number, before: number) {
    this.#pid = pid;
    this.#before = before;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  static async start(pid: number): Promise<TreeUse> {
    return new TreeUse(pid, await cpuOf(pid));
  }

  async end(): Promise<Use> {
    clearInterval(this.#timer);
    await this.#look();
    return { cpuS: (await cpuOf(this.#pid)) - this.#before, peakBytes: this.#peakBytes };
  }

  async #look(): Promise<void> {
    const each = (await tree(this.#pid)).map((pid) => processMemory(pid).then(({ resident }) => resident, () => 0));
    this.#peakBytes = Math.max(this.#peakBytes, (await Promise.all(each)).reduce((a, b) => a + b, 0));
  }
}
