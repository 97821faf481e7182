import { z } from "zod";

/** What the demo asks of the relay; every request is answered with the counters. */
export const relayRequestSchema = z.strictObject({
  id: z.int().positive(),
  /** Changes the line's speed. */
  speed: z
    .strictObject({ bitsPerSecond: z.number().positive().nullable(), roundTripMs: z.number().nonnegative() })
    .optional(),
  /** Answer only when nothing is under way. */
  quiet: z.boolean().optional(),
});

export const relayAnswerSchema = z.strictObject({
  /** 0: the relay listens. */
  id: z.int().nonnegative(),
  bytes: z.tuple([z.int().nonnegative(), z.int().nonnegative()]).readonly(),
  connections: z.number().nonnegative(),
});

export type RelayRequest = z.output<typeof relayRequestSchema>;
export type RelayAnswer = z.output<typeof relayAnswerSchema>;
