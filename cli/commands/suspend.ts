import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { workspaceText } from "../text/workspace.ts";

export function suspendCommand(): CommandEntry {
  return {
    command: newCommand("suspend", "Saves a running workspace and stops it; start goes on from there.", [
      ["homeward suspend work", ""],
    ]).argument("<name>", "the workspace"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      invocation.output.result(await callService(invocation, "suspend", { workspace }), workspaceText);
    },
  };
}
