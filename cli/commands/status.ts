import { callService, newCommand, type CommandEntry } from "../command.ts";
import { statusText } from "../text/status.ts";

export function statusCommand(): CommandEntry {
  return {
    command: newCommand(
      "status",
      "Shows this host, the hosts it knows, and every workspace.",
      [
        ["homeward status", "what runs, what is recorded, what moves, what to do next"],
        ["homeward status --json | jq .workspaces", "the same for programs"],
      ],
      "For each workspace: what it does, where it lives, how old its generation is and who else holds it, what was " +
        "recorded since, and what would have to move.",
    ),
    body: async (invocation) => {
      invocation.output.result(await callService(invocation, "status", {}), (status) => statusText(status));
    },
  };
}
