import { callService, newCommand, type CommandEntry } from "../command.ts";
import { hostsText } from "../text/hosts.ts";

export function hostsCommand(): CommandEntry {
  return {
    command: newCommand(
      "hosts",
      "Shows this host's ID, the hosts it is paired with, and those that tried to connect.",
      [
        ["homeward hosts", "the ID to type on the other host"],
        ["homeward hosts --json | jq -r .id", "only this host's ID"],
      ],
      "A host that is not paired gets nothing but the certificate of this one. It is listed here until the service ends, so " +
        "that its ID can be compared with what it shows itself. The newest ten are kept.",
      ["DAMAGED"],
    ),
    body: async (invocation) => {
      invocation.output.result(await callService(invocation, "hosts", {}), (hosts) => hostsText(hosts));
    },
  };
}
