import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { workspaceText } from "../text/workspace.ts";

export function startCommand(): CommandEntry {
  return {
    command: newCommand("start", "Boots a workspace, or goes on where it was suspended or where it arrived.", [
      ["homeward start work", ""],
    ]).argument("<name>", "the workspace"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      invocation.output.result(await callService(invocation, "start", { workspace }), workspaceText);
    },
  };
}
