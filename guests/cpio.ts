/** One member of an archive. Directories have no data; a link's data is its target. */
export interface CpioEntry {
  readonly path: string;
  readonly kind: "file" | "directory" | "link";
  readonly mode: number;
  readonly data?: Uint8Array;
}

const KIND_BITS = { file: 0o100000, directory: 0o040000, link: 0o120000 } as const;

function pad4(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}

/**
 * A cpio archive in the "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst). Everything
 * belongs to root and carries the time 0, so that equal entries give equal bytes.
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const add = (inode: number, mode: number, path: string, data: Uint8Array): void => {
    const name = Buffer.from(`${path}\0`);
    // inode, mode, uid, gid, links, mtime, size, device major/minor, node major/minor, name size, checksum
    const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
    parts.push(header, name, pad4(header.length + name.length), Buffer.from(data), pad4(data.length));
  };
  entries.forEach((entry, index) => {
    add(index + 1, KIND_BITS[entry.kind] | entry.mode, entry.path, entry.data ?? Buffer.alloc(0));
  });
  add(0, 0, "TRAILER!!!", Buffer.alloc(0));
  return Buffer.concat(parts);
}
