import { z } from "zod";
import { nameSchema } from "./control/status.ts";

/**
 * How often a workspace was taken over from a host that was thought to be gone, and by whom last. Two hosts that take it over at
 * the same time get different epochs.
 */
export const epochSchema = z.strictObject({ number: z.int().nonnegative().max(1_000_000), by: nameSchema.nullable() });
export type Epoch = Readonly<z.output<typeof epochSchema>>;

export const FIRST_EPOCH: Epoch = { number: 0, by: null };

/** Whether `epoch` outranks `other`. */
export function isNewer(epoch: Epoch, other: Epoch): boolean {
  if (epoch.number !== other.number) return epoch.number > other.number;
  return (epoch.by ?? "") > (other.by ?? "");
}
