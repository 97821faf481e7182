import { z } from "zod";

/** The last line that demo/verify/main.ts prints. */
export const verifyResultSchema = z.strictObject({
  type: z.literal("result"),
  /** Everything below is identical, and the files compared were not the same files. */
  identical: z.boolean(),
  machine: z.boolean(),
  ram: z.strictObject({ identical: z.boolean(), bytes: z.number(), firstDifference: z.number().nullable() }),
  device: z.strictObject({ identical: z.boolean(), bytes: z.number(), firstDifference: z.number().nullable() }),
  disk: z.strictObject({ identical: z.boolean(), bytes: z.number(), said: z.string() }),
  /** Files that both hosts share (one inode): comparing those would prove nothing. */
  sharedFiles: z.array(z.string()),
});

export type VerifyResult = z.output<typeof verifyResultSchema>;
