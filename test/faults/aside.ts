/** Files beside a host's state folder, on the same disk, in which its service, its QEMU and the test meet. */
export const ASIDE = {
  /** ROLE:STATE at which the service is to stop. */
  arm: "arm",
  /** The same file, once it has. */
  hit: "hit",
  /** Milliseconds by which the service's clock is ahead. */
  clock: "clock",
  /** Second names of files that were synced, by inode. */
  inodes: "inodes",
  /** A SyncRecord a line. */
  syncs: "syncs",
} as const;

/** One fsync that has returned. */
export interface SyncRecord {
  readonly ino: string;
  /** Time of the last change of what was synced, in nanoseconds. */
  readonly changed: string;
  /** Of a folder: inode of each file and folder in it. */
  entries?: Record<string, string>;
}

/** The log of what a QEMU wrote to an image, and the image as it was before, named by the image's inode. */
export function writeLogNames(ino: string): { readonly log: string; readonly before: string } {
  return { log: `writes-${ino}`, before: `before-${ino}` };
}
