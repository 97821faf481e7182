import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { workspaceText } from "../text/workspace.ts";

export function startCommand(): CommandEntry {
  return {
    command: newCommand(
      "start",
      "Boots a workspace, or goes on where it was suspended or where it arrived.",
      [["homeward start work", "then: homeward console work --open"]],
      "Does nothing if it runs already. A workspace that is on another host is brought here by migrating it from there.",
      ["NOT_FOUND", "CONFLICT", "INCOMPATIBLE", "NO_ROOM", "TIMEOUT", "GUEST"],
    ).argument("<workspace>", "its name"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      invocation.output.result(await callService(invocation, "start", { workspace }), (status) => workspaceText(status));
    },
  };
}
