import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { workspaceText } from "../text/workspace.ts";

export function suspendCommand(): CommandEntry {
  return {
    command: newCommand(
      "suspend",
      "Saves a running workspace and stops it; start goes on from there.",
      [["homeward suspend work", "then, whenever you like: homeward start work"]],
      "Memory is written to disk, and open programs are as they were when it is started again. A suspended workspace can " +
        "be migrated.",
      ["NOT_FOUND", "CONFLICT", "NO_ROOM", "TIMEOUT", "GUEST"],
    ).argument("<workspace>", "its name"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      invocation.output.result(await callService(invocation, "suspend", { workspace }), (status) => workspaceText(status));
    },
  };
}
