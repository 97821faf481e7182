import { z } from "zod";

/** What every row of the comparison is made of, as it is kept in JSON. Seconds are by rate in Mbit/s. */
export const RATES_MBIT = [1, 10, 100] as const;
export const ROUND_TRIP_MS = 50;

const seconds = z.number().nonnegative();
const bytes = z.number().int().nonnegative();

export const timeSchema = z.strictObject({
  mbit: z.number().positive(),
  seconds,
  /** Computed: from processor time and bytes, or from what was measured at another rate. */
  how: z.enum(["measured", "computed"]),
});
export type Time = z.infer<typeof timeSchema>;

export const rowSchema = z.strictObject({
  method: z.string().max(100),
  /** Everything that crosses, both directions. */
  bytes,
  times: z.array(timeSchema),
  /** Processor time of both ends. */
  cpu_s: seconds,
  /** The most memory at one time at either end. */
  peak_bytes: bytes,
  /** The destination's state was the source's, byte for byte. */
  identical: z.boolean(),
  note: z.string().max(500),
});
export type Row = z.infer<typeof rowSchema>;

export const originsSchema = z.strictObject({ zero: bytes, generation: bytes, twin: bytes, shipped: bytes });

export const sessionResultSchema = z.strictObject({
  type: z.literal("peers"),
  session: z.string().max(100),
  description: z.string().max(500),
  /** How long the session was played. */
  played_s: seconds,
  at: z.iso.datetime(),
  rows: z.array(rowSchema),
  /** Bytes of changed blocks by where they came from. */
  origins: z.strictObject({ overlay: originsSchema, replay: originsSchema }).nullable(),
});
export type SessionResult = z.infer<typeof sessionResultSchema>;

/** Seconds that so many bytes take on a line, and half a round trip until the last is there. */
export function lineSeconds(count: number, mbit: number): number {
  return (count * 8) / (mbit * 1e6) + ROUND_TRIP_MS / 2000;
}

export interface Work {
  readonly bytes: number;
  readonly encodeCpuS: number;
  readonly decodeCpuS: number;
  /** Encoder, line and decoder work at the same time; otherwise one after the other. */
  readonly streams: boolean;
}

/** Times at every rate from processor time, as on computers that do nothing else. */
export function computedTimes({ bytes: count, encodeCpuS, decodeCpuS, streams }: Work): Time[] {
  return RATES_MBIT.map((mbit) => {
    const line = lineSeconds(count, mbit);
    const total = streams ? Math.max(encodeCpuS, line, decodeCpuS) : encodeCpuS + line + decodeCpuS;
    return { mbit, seconds: total, how: "computed" };
  });
}

/** Times at every rate from one that was measured: what did not go into the line stays, unless the line hid it. */
export function timesFromMeasured(count: number, measured: ReadonlyMap<number, number>): Time[] {
  const [first] = measured;
  if (first === undefined) throw new Error("nothing was measured");
  const [fromMbit, fromSeconds] = first;
  const rest = Math.max(0, fromSeconds - lineSeconds(count, fromMbit));
  return RATES_MBIT.map((mbit) => {
    const known = measured.get(mbit);
    if (known !== undefined) return { mbit, seconds: known, how: "measured" };
    return { mbit, seconds: rest + lineSeconds(count, mbit), how: "computed" };
  });
}
