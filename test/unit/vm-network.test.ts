import { expect, test } from "vitest";
import { countConnections } from "../../vm/network-status.ts";

test("only what the guest has opened and what is not over is counted", () => {
  const text = [
    "Hub -1 (net0):",
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ",
    "  TCP[ESTABLISHED]   21       10.0.2.15 40022        10.0.2.2  5000     0     0",
    "  TCP[SYN_SENT]      22       10.0.2.15 40024   93.184.216.34    80     0     0",
    "  TCP[HOST_FORWARD]  12               *  2222       10.0.2.15    22     0     0",
    "  TCP[CLOSED]        23       10.0.2.15 40026        10.0.2.2  5000     0     0",
    "  UDP[236 sec]       24       10.0.2.15 51000        10.0.2.3    53     0     0",
    "  UDP[HOST_FORWARD]  13               *  5353       10.0.2.15  5353     0     0",
    "  ICMP[10 sec]       25       10.0.2.15     1        10.0.2.2     -     0     0",
    "",
  ].join("\r\n");
  expect(countConnections(text)).toBe(3);
  expect(countConnections("")).toBe(0);
});
