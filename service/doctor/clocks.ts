import { withTimeout } from "../../common/abort.ts";
import { formatSeconds } from "../../common/quantities.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import type { HostRoom } from "../../protocol/control.ts";
import { fine, warning, type Finding } from "./finding.ts";

/** Clocks further apart make times in reports and ages in status misleading, milliseconds. */
const MAX_SKEW_MS = 5000;
const CONNECT_MS = 5000;
/** The service itself gives a host 10 seconds. */
const ANSWER_MS = 15_000;

/**
 * What a host that answered finds.
 * @param aheadMs how far the time that it said was ahead of this host's when it came, in milliseconds; null if it said none
 */
export function clockFinding(roundTripMs: number, aheadMs: number | null): Finding {
  const answers = `answers in ${Math.max(1, Math.round(roundTripMs))} ms`;
  if (aheadMs === null) return fine(`${answers}; it does not tell its time`);
  // What it said is half a round trip old; it may be nothing, or the whole of it.
  const halfMs = roundTripMs / 2;
  const skewMs = aheadMs + halfMs;
  if (Math.abs(skewMs) <= MAX_SKEW_MS + halfMs) return fine(`${answers}, and the clocks agree`);
  return warning(`${answers}, but its clock is ${formatSeconds(Math.abs(skewMs) / 1000)} ${skewMs > 0 ? "ahead" : "behind"}`, {
    hint: "Set the clock that is wrong by the network; this does it on the computer where it is run.",
    command: "sudo timedatectl set-ntp true",
  });
}

/** Has the service ask the other hosts, as only it can prove who this one is. @returns those that answered; null if it could not */
export async function askThroughService(control: string): Promise<readonly HostRoom[] | null> {
  try {
    const client = await ControlClient.connect(control, CONNECT_MS);
    try {
      return (await withTimeout(client.call("hosts", { ask: true }), ANSWER_MS, "the service")).rooms;
    } finally {
      client.close();
    }
  } catch {
    return null;
  }
}
