/** States of a TCP entry that stand for no connection of the guest. */
const NOT_A_CONNECTION = new Set(["HOST_FORWARD", "CLOSED"]);

/**
 * Counts the TCP connections and UDP flows that the guest has opened, from the monitor's `info usernet`
 * (libslirp's slirp_connection_info). A UDP flow is listed until some minutes after its last packet.
 */
export function countConnections(text: string): number {
  let count = 0;
  for (const line of text.slice(0, 1_048_576).split("\n")) {
    const state = /^\s*(?:TCP|UDP)\[([^\]]*)\]/.exec(line)?.[1];
    if (state !== undefined && !NOT_A_CONNECTION.has(state)) count++;
  }
  return count;
}
