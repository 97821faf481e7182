import { z } from "zod";
import { countSchema, nameSchema } from "./status.ts";

const sentence = z.string().min(1).max(400);

/** Of what kinds the blocks were that a migration sent. See ../control.ts. */
export const explainedSchema = z.strictObject({
  /** The migration's. */
  id: z.uuid(),
  workspace: nameSchema,
  /** Where the kinds of memory are from: the guest kernel's own records, or, where it has none that are known, guesses by contents. */
  by: z.enum(["descriptors", "contents"]),
  /** zstd level of the estimate. */
  level: z.int().min(1).max(19),
  /** What the blocks took on the link, in all. */
  residualBytes: countSchema,
  /** The heaviest first. */
  kinds: z
    .array(
      z.strictObject({
        kind: z.string().max(40),
        title: z.string().max(60),
        /** What it is. */
        what: sentence,
        /** What can be done against it. */
        cure: sentence,
        blocks: countSchema,
        /** Estimated: this kind compressed by itself. */
        bytes: countSchema,
        /** Blocks that were zero in the generation that the migration began with. */
        fresh: countSchema,
        /** Bytes in which the others differ from it. */
        changed: countSchema,
        /** The most frequent finer names, e.g. of the kernel's caches. */
        parts: z.array(z.strictObject({ name: z.string().max(60), blocks: countSchema })).max(20),
      }),
    )
    .max(40),
});
export type Explained = z.output<typeof explainedSchema>;
