import { readFile } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";

/** A number that the kernel draws at each start of the computer (random(4)). @throws ENVIRONMENT without /proc */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch (cause) {
    throw new HomewardError("ENVIRONMENT", "/proc is not mounted", { cause });
  }
}
