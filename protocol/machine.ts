import { z } from "zod";

const SHA256 = /^[0-9a-f]{64}$/;
const MIB = 1_048_576;

/** A file that is named by its content. */
export const blobRefSchema = z.strictObject({
  /** Lower-case hex. */
  sha256: z.string().regex(SHA256),
  bytes: z.int().min(1).max(1024 * MIB),
});

/**
 * What a virtual machine is made of, as far as its state depends on it. It is part of every generation and names no path
 * and no host: two hosts that agree on it can run each other's saved state.
 */
export const machineDefinitionSchema = z.strictObject({
  format: z.literal(1),
  /** A versioned PC machine type: the alias "pc" means something else in every QEMU version. */
  machineType: z.string().regex(/^pc-i440fx-[0-9]{1,2}\.[0-9]{1,2}$/),
  /** State made under one accelerator is never resumed under the other. */
  accelerator: z.enum(["tcg", "kvm"]),
  /** A named portable CPU model; "host" and "max" mean something else on every computer. */
  cpuModel: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/)
    .refine((name) => !["host", "max", "base"].includes(name), { error: "not a portable CPU model" }),
  /** major.minor of the QEMU that wrote the state. */
  qemuVersion: z.string().regex(/^[0-9]{1,3}\.[0-9]{1,3}$/),
  cpus: z.int().min(1).max(64),
  /** A multiple of 2 MiB, the unit in which free memory is handed back. */
  memoryBytes: z
    .int()
    .min(16 * MIB)
    .max(1024 * 1024 * MIB)
    .multipleOf(2 * MIB),
  /** Virtual size of the disk, a multiple of a 4 KiB block. */
  diskBytes: z
    .int()
    .min(MIB)
    .max(16 * 1024 * 1024 * MIB)
    .multipleOf(4096),
  /** Lower-case, locally administered and unicast. */
  mac: z.string().regex(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/),
  /** Linux booted directly by QEMU; `null` when the disk boots by itself. */
  kernel: blobRefSchema.nullable(),
  initrd: blobRefSchema.nullable(),
  /** Kernel command line; only with a kernel. */
  append: z
    .string()
    .max(2000)
    // Printable ASCII: it is one argument of a process and one line of a log.
    .regex(/^[\x20-\x7e]*$/)
    .nullable(),
  /** Left out: BIOS. */
  firmware: z.literal("uefi").exactOptional(),
  /** What the disk is attached to. Left out: virtio. */
  diskBus: z.enum(["ide", "sata"]).exactOptional(),
  /** Left out: virtio. */
  nic: z.enum(["e1000", "none"]).exactOptional(),
});

export interface BlobRef {
  readonly sha256: string;
  readonly bytes: number;
}

/** See `machineDefinitionSchema` for the bounds. */
export interface MachineDefinition {
  readonly format: 1;
  readonly machineType: string;
  readonly accelerator: "tcg" | "kvm";
  readonly cpuModel: string;
  readonly qemuVersion: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly mac: string;
  readonly kernel: BlobRef | null;
  readonly initrd: BlobRef | null;
  readonly append: string | null;
  readonly firmware?: "uefi";
  readonly diskBus?: "ide" | "sata";
  readonly nic?: "e1000" | "none";
}

export const FIRMWARES = ["bios", "uefi"] as const;
export const DISK_BUSES = ["virtio", "ide", "sata"] as const;
export const NICS = ["virtio", "e1000", "none"] as const;

/** The parts of a machine that may be chosen. */
export interface Hardware {
  readonly firmware: (typeof FIRMWARES)[number];
  readonly diskBus: (typeof DISK_BUSES)[number];
  readonly nic: (typeof NICS)[number];
}

export function hardwareOf({ firmware, diskBus, nic }: MachineDefinition): Hardware {
  return { firmware: firmware ?? "bios", diskBus: diskBus ?? "virtio", nic: nic ?? "virtio" };
}

/**
 * The same as fields of a definition, which leaves out what is usual: there is one way only to write a machine down, and
 * the definitions of machines that have nothing unusual stay what they were.
 */
export function hardwareFields({ firmware, diskBus, nic }: Hardware): Pick<MachineDefinition, keyof Hardware> {
  return {
    ...(firmware === "bios" ? {} : { firmware }),
    ...(diskBus === "virtio" ? {} : { diskBus }),
    ...(nic === "virtio" ? {} : { nic }),
  };
}
