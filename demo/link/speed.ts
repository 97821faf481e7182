import { HomewardError } from "../../common/errors.ts";

/** How fast the line between the two hosts is, the same in both directions. */
export interface LinkSpeed {
  /** `null`: as fast as this computer can. */
  readonly bitsPerSecond: number | null;
  readonly roundTripMs: number;
}

export const UNLIMITED: LinkSpeed = { bitsPerSecond: null, roundTripMs: 0 };

const UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };
/** Slower than a telephone modem of 1962, or a round trip longer than to Mars, is a typing mistake. */
const MIN_BITS_PER_SECOND = 300;
const MAX_ROUND_TRIP_MS = 60_000;

/**
 * Reads RATE,RTT as in "1mbit,50ms", "512kbit,0.2s" or "1.5mbit,80ms".
 * @throws USAGE
 */
export function parseLinkSpeed(text: string): LinkSpeed {
  const match = /^(\d+(?:\.\d+)?)(bit|kbit|mbit|gbit)(?:\/s)?,(\d+(?:\.\d+)?)(ms|s)$/i.exec(text.trim());
  const [, rate, unit, time, timeUnit] = match ?? [];
  const bitsPerSecond = Math.round(Number(rate) * (UNITS[unit?.toLowerCase() ?? ""] ?? NaN));
  const roundTripMs = Number(time) * (timeUnit?.toLowerCase() === "s" ? 1000 : 1);
  if (!(bitsPerSecond >= MIN_BITS_PER_SECOND && roundTripMs <= MAX_ROUND_TRIP_MS))
    throw new HomewardError("USAGE", `"${text}" is not a link's rate and round trip`, {
      hint: "Write it like 1mbit,50ms: bit, kbit, mbit or gbit per second, then ms or s.",
    });
  return { bitsPerSecond, roundTripMs };
}
