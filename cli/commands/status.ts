import { callService, newCommand, type CommandEntry } from "../command.ts";
import { statusText } from "../text/workspace.ts";

export function statusCommand(): CommandEntry {
  return {
    command: newCommand("status", "Shows this host, the hosts it knows, and every workspace.", [
      ["homeward status", "what is running, what is recorded, what moves"],
      ["homeward status --json | jq .workspaces", "the same for programs"],
    ]),
    body: async (invocation) => {
      invocation.output.result(await callService(invocation, "status", {}), statusText);
    },
  };
}
