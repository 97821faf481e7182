import { callService, newCommand, type CommandEntry } from "../command.ts";
import { hostsText } from "../text/hosts.ts";

export function hostsCommand(): CommandEntry {
  return {
    command: newCommand(
      "hosts",
      "Shows this host's ID, the hosts it is paired with and what they hold, and those that tried to connect.",
      [
        ["homeward hosts", "the ID to type on the other host"],
        ["homeward hosts --ask", "asks the others what they hold just now"],
        ["homeward hosts --json | jq -r .id", "only this host's ID"],
      ],
      "A host that is not paired gets nothing but the certificate of this one. It is listed here until the service ends, so " +
        "that its ID can be compared with what it shows itself. The newest ten are kept. What a host holds is what was last " +
        "known, from pushes, moves and --ask; it only tells of workspaces that it shares with this one.",
      ["DAMAGED"],
    ).option("--ask", "ask the hosts what they hold, instead of showing what was last known"),
    body: async (invocation, command) => {
      const { ask = false } = command.opts<{ ask?: boolean }>();
      invocation.output.result(await callService(invocation, "hosts", { ask }), (hosts) => hostsText(hosts));
    },
  };
}
