import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HomewardError } from "../../common/errors.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import { machineDefinitionSchema } from "../../protocol/machine.ts";
import { PORTABLE_CPU_MODEL } from "../../vm/accelerator.ts";
import { addBlob } from "../store/blobs.ts";
import { GUEST_FILES } from "../store/paths.ts";
import type { Store } from "../store/store.ts";

const MAX_DEFINITION_BYTES = 64 * 1024;
const MIB = 1024 * 1024;

/** A file of the guest folder itself, never one elsewhere. */
const fileNameSchema = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/);

/** guest.json: what a guest needs, apart from the computer it will run on. Further fields are for whoever built it. */
const guestSchema = z.object({
  format: z.literal(1),
  name: z.string().max(100),
  memoryMiB: z.int().min(16),
  cpus: z.int().min(1).max(64),
  kernel: fileNameSchema.nullable(),
  initrd: fileNameSchema.nullable(),
  append: z.string().max(2000).nullable(),
  disk: z.object({ file: fileNameSchema, bytes: z.int().positive() }),
});

export type GuestFolder = z.output<typeof guestSchema> & { readonly dir: string };

/** Text of a small file. @throws DAMAGED if it is larger than `maxBytes` */
export async function readBounded(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) return buffer.toString("utf8", 0, length);
      length += bytesRead;
      if (length > maxBytes) throw new HomewardError("DAMAGED", `${path} is larger than ${maxBytes} bytes`);
    }
  } finally {
    await file.close();
  }
}

/** Reads DIR/guest.json. @throws NOT_FOUND, DAMAGED */
export async function readGuestFolder(dir: string): Promise<GuestFolder> {
  const path = join(dir, GUEST_FILES.definition);
  const text = await readBounded(path, MAX_DEFINITION_BYTES);
  try {
    return { ...guestSchema.parse(JSON.parse(text)), dir };
  } catch (cause) {
    throw new HomewardError("DAMAGED", `${path} does not describe a guest`, { cause });
  }
}

/** An address of a network card, as QEMU's own begin. */
export function newMac(): string {
  return `52:54:00:${randomBytes(3).toString("hex").replace(/(..)(?=.)/g, "$1:")}`;
}

/** The machine that a guest gets on this host; its kernel and initrd are in the store when this returns. */
export async function machineForGuest(
  store: Store,
  guest: GuestFolder,
  host: { readonly accelerator: "kvm" | "tcg"; readonly qemuVersion: string },
): Promise<MachineDefinition> {
  const blob = (name: string | null): Promise<MachineDefinition["kernel"]> =>
    name === null ? Promise.resolve(null) : addBlob(store.paths, join(guest.dir, name), null);
  const definition: MachineDefinition = {
    format: 1,
    machineType: `pc-i440fx-${host.qemuVersion}`,
    accelerator: host.accelerator,
    cpuModel: PORTABLE_CPU_MODEL,
    qemuVersion: host.qemuVersion,
    cpus: guest.cpus,
    memoryBytes: guest.memoryMiB * MIB,
    diskBytes: guest.disk.bytes,
    mac: newMac(),
    kernel: await blob(guest.kernel),
    initrd: await blob(guest.initrd),
    append: guest.append,
  };
  const checked = machineDefinitionSchema.safeParse(definition);
  if (checked.success) return checked.data;
  throw new HomewardError("USAGE", `the guest in ${guest.dir} cannot be made a machine: ${z.prettifyError(checked.error)}`);
}
