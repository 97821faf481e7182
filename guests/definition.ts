import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HomewardError } from "../common/errors.ts";

export const GUEST_NAMES = ["tiny", "desktop"] as const;
export type GuestName = (typeof GUEST_NAMES)[number];

/** Names of the files of a built guest, all in one folder. */
export const GUEST_FILES = {
  definition: "guest.json",
  disk: "disk.qcow2",
  kernel: "kernel",
  initrd: "initrd",
} as const;

/** guest.json is a few hundred bytes; anything much larger is not one of ours. */
const MAX_DEFINITION_BYTES = 64 * 1024;

/** What guest.json holds: everything needed to boot the guest, and no path of the computer that built it. */
export const guestDefinitionSchema = z.strictObject({
  name: z.enum(GUEST_NAMES),
  format: z.literal(1),
  memoryMiB: z.int().min(64).max(65_536),
  cpus: z.int().min(1).max(64),
  kernel: z.literal(GUEST_FILES.kernel),
  initrd: z.literal(GUEST_FILES.initrd),
  /** Kernel command line. */
  append: z.string().min(1).max(2000),
  disk: z.strictObject({
    file: z.literal(GUEST_FILES.disk),
    /** Virtual size in bytes. */
    bytes: z.int().min(1_048_576).multipleOf(4096),
  }),
  /** Pixels of the guest's screen once it is up. */
  display: z.strictObject({ width: z.int().min(1).max(16_384), height: z.int().min(1).max(16_384) }),
  description: z.string().min(1).max(1000),
});

export type GuestDefinition = z.infer<typeof guestDefinitionSchema>;

/** Reads the text of a guest.json. @throws DAMAGED with what is wrong and where */
export function parseGuestDefinition(text: string): GuestDefinition {
  if (text.length > MAX_DEFINITION_BYTES) throw new HomewardError("DAMAGED", "guest.json is too large");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new HomewardError("DAMAGED", "guest.json is not JSON", { cause });
  }
  const parsed = guestDefinitionSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new HomewardError("DAMAGED", `guest.json is not valid: ${z.prettifyError(parsed.error)}`);
}

/** The text of a guest.json, ending in a newline. */
export function formatGuestDefinition(definition: GuestDefinition): string {
  return `${JSON.stringify(guestDefinitionSchema.parse(definition), null, 2)}\n`;
}

/** Reads DIR/guest.json. @throws NOT_FOUND if there is none, DAMAGED if it is not valid */
export async function readGuestDefinition(dir: string): Promise<GuestDefinition> {
  const path = join(dir, GUEST_FILES.definition);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HomewardError("NOT_FOUND", `there is no guest in ${dir}`, { cause });
  }
  return parseGuestDefinition(text);
}
