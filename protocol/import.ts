import { z } from "zod";
import { DISK_BUSES, FIRMWARES, NICS } from "./machine.ts";

/** What `import` of the control API takes and answers. */

/** Longest machine description of libvirt's, in characters. */
export const MAX_LIBVIRT_CHARACTERS = 256 * 1024;

/** Formats of disk images that can be taken in. */
export const IMAGE_FORMATS = ["qcow2", "raw", "vmdk", "vdi"] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** Settings the user may give; the rest comes from libvirt's description, from the image, or is usual. */
export const importSettings = {
  format: z.enum(IMAGE_FORMATS).optional(),
  memoryBytes: z.int().positive().optional(),
  cpus: z.int().min(1).max(64).optional(),
  cpuModel: z.string().min(1).max(64).optional(),
  firmware: z.enum(FIRMWARES).optional(),
  diskBus: z.enum(DISK_BUSES).optional(),
  nic: z.enum(NICS).optional(),
} as const;

const originSchema = z.enum(["given", "libvirt", "image", "usual"]);
/** Who said so: the user, libvirt's description, the image; "usual" is what machines have if nobody does. */
export type Origin = z.output<typeof originSchema>;

/** The machine that an image gets. */
export const importPlanSchema = z.strictObject({
  image: z.string().max(4096),
  format: z.enum(IMAGE_FORMATS),
  /** What the image's file takes. */
  allocatedBytes: z.int().nonnegative(),
  diskBytes: z.int().positive(),
  memoryBytes: z.int().positive(),
  cpus: z.int().positive(),
  cpuModel: z.string().max(64),
  firmware: z.enum(FIRMWARES),
  diskBus: z.enum(DISK_BUSES),
  nic: z.enum(NICS),
  mac: z.string().max(17),
  /** The firmware starts with the variables in this file; null: with new ones. */
  uefiVariables: z.string().max(4096).nullable(),
  origins: z.strictObject({
    memoryBytes: originSchema,
    cpus: originSchema,
    cpuModel: originSchema,
    firmware: originSchema,
    diskBus: originSchema,
    nic: originSchema,
    mac: originSchema,
  }),
  /** What the user should know, e.g. what is left out. */
  notes: z.array(z.string().max(1000)).max(100),
});
export type ImportPlan = Readonly<z.output<typeof importPlanSchema>>;
