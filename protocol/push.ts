import { z } from "zod";
import type { GenerationManifest } from "./generation.ts";

/** Of a generation's disk; one with more is merged first. */
export const MAX_PUSHED_LAYERS = 64;

/** Names of a generation's files while it is laid down, all there are. `layer-0` is the top of the disk. */
export const pushFileSchema = z
  .string()
  .regex(/^(?:ram|device|kernel|initrd|layer-(?:[0-9]|[1-5][0-9]|6[0-3]))$/, "not a file of a generation");

export const pushedFileSchema = z.strictObject({
  name: pushFileSchema,
  /** Length of the file. */
  bytes: z.int().nonnegative(),
  /** What it takes on disk at the source: less than `bytes` where there are holes. */
  allocated: z.int().nonnegative(),
});
export type PushedFile = Readonly<z.output<typeof pushedFileSchema>>;

export const pushFilesSchema = z.array(pushedFileSchema).min(3).max(4 + MAX_PUSHED_LAYERS);

/** Room for qcow2's own tables, and for what it keeps for nothing. */
const LAYER_SPARE_BYTES = 64 * 1024 * 1024;

/** What is wrong with the files that are announced for a generation, in words; null if nothing is. */
export function wrongFiles(manifest: GenerationManifest, files: readonly PushedFile[]): string | null {
  const { kernel, initrd, memoryBytes, diskBytes } = manifest.machine;
  const layers = files.filter(({ name }) => name.startsWith("layer-")).length;
  const sizes = new Map<string, number | null>([
    ["ram", memoryBytes],
    ["device", manifest.deviceBytes],
    ...(kernel === null ? [] : [["kernel", kernel.bytes] as const]),
    ...(initrd === null ? [] : [["initrd", initrd.bytes] as const]),
    ...Array.from({ length: layers }, (_, at) => [`layer-${at}`, null] as const),
  ]);
  if (layers === 0 || files.length !== sizes.size || new Set(files.map(({ name }) => name)).size !== files.length)
    return "they are not the files of a generation";
  for (const { name, bytes, allocated } of files) {
    const size = sizes.get(name);
    if (size === undefined) return `${name} is not one of its files`;
    if (size !== null && size !== bytes) return `${name} has ${bytes} bytes, not ${size}`;
    if (size === null && bytes > diskBytes + diskBytes / 8 + LAYER_SPARE_BYTES) return `${name} is larger than the disk could be`;
    if (allocated > bytes + LAYER_SPARE_BYTES) return `${name} takes more room than it has bytes`;
  }
  return null;
}
