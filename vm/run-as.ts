import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/**
 * Whom QEMU becomes where root runs the service. The numbers belong to nobody: systemd's list of them ends the containers'
 * below, and what lies above is not to be used (https://systemd.io/UIDS-GIDS).
 */
const FIRST_ID = 0x7000_0000;
const IDS = 0x1000_0000;

/**
 * Whether every number up to `most` is a user here, by what /proc/self/uid_map says. In a user namespace it may not be: then
 * root is somebody else outside, who has no rights to be taken away.
 */
export function hasUser(uidMap: string, most: number): boolean {
  return uidMap
    .trim()
    .split("\n")
    .some((line) => {
      const [first = NaN, , count = NaN] = line.trim().split(/\s+/).map(Number);
      return first === 0 && most < count;
    });
}

/**
 * Number of the user and the group that the QEMU of that run folder runs as: each machine its own, so that they cannot
 * reach each other. Null for whom this process runs as, which is a user without rights already.
 */
export async function unprivilegedId(runDir: string): Promise<number | null> {
  if (process.getuid?.() !== 0) return null;
  if (!hasUser(await readFile("/proc/self/uid_map", "latin1"), FIRST_ID + IDS - 1)) return null;
  return FIRST_ID + (createHash("sha256").update(runDir).digest().readUInt32BE(0) % IDS);
}
