import { link, readFile, rm, writeFile } from "node:fs/promises";
import { z } from "zod";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { readBootId } from "./boot-id.ts";

const lockSchema = z.strictObject({
  pid: z.int().positive(),
  startTime: z.string().regex(/^[0-9]{1,20}$/),
  bootId: z.string().max(100),
});
type Lock = z.output<typeof lockSchema>;

/**
 * When a process started, in clock ticks since boot (field 22 of /proc/PID/stat, proc(5)); null when there is none. With
 * the process id and the computer's own start it names a process for good: ids are used again, all three are not.
 */
export async function processStartTime(pid: number): Promise<string | null> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The command name, field 2, is in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie holds nothing any more.
  return fields[0] === "Z" ? null : (fields[19] ?? null);
}

async function readLock(path: string): Promise<Lock | null> {
  try {
    return lockSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return null;
  }
}

/** Process id of the living service that has a state folder; null if none has. */
export async function lockHolder(path: string): Promise<number | null> {
  const holder = await readLock(path);
  if (holder?.bootId !== (await readBootId())) return null;
  return (await processStartTime(holder.pid)) === holder.startTime ? holder.pid : null;
}

/** The first thing that a service writes. */
function sayNoRoom(thrown: unknown): never {
  const error = toHomewardError(thrown);
  if (error.code !== "NO_ROOM") throw error;
  throw new HomewardError("NO_ROOM", "the service cannot start, as this computer's disk is full", {
    hint: "Free some space. Machines that run or stand still are taken over then, as they are.",
    cause: error,
  });
}

/**
 * Takes the state folder for this process.
 * @returns gives it back
 * @throws CONFLICT while another living service has it, NO_ROOM
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const startTime = await processStartTime(process.pid);
  if (startTime === null) throw new HomewardError("ENVIRONMENT", "/proc is not mounted");
  const bootId = await readBootId();
  const mine = `${path}.${process.pid}`;
  try {
    await writeFile(mine, JSON.stringify({ pid: process.pid, startTime, bootId } satisfies Lock), { mode: 0o600 }).catch(sayNoRoom);
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        // link(2) is the atomic "create if missing" that also has the content from the start.
        await link(mine, path);
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw toHomewardError(error);
      }
      const holder = await lockHolder(path);
      if (holder !== null)
        throw new HomewardError("CONFLICT", `a service with process id ${holder} has this state folder open`, {
          hint: `Stop it, or give this one another --state folder.`,
          data: { pid: holder },
        });
      await rm(path, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
  throw new HomewardError("CONFLICT", "another service is starting on this state folder");
}
