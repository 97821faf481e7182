import { argument, callService, newCommand, oneOf, type CommandEntry } from "../command.ts";
import { workspaceText } from "../text/workspace.ts";

const ACTIONS = ["pause", "resume"] as const;

export function recordCommand(): CommandEntry {
  return {
    command: newCommand(
      "record",
      "Pauses the recording of a workspace for something private, or goes on with it.",
      [
        ["homeward record pause work", "from now on nothing that is typed or shown is recorded"],
        ["homeward record resume work", "records again; it must be running"],
      ],
      "In the console Ctrl+Alt+Shift+F12 does the one or the other. A pause lasts until it is ended, over restarts and moves. " +
        "A replay ends where it began; a move sends what was done after that. What the guest itself keeps is sent as always.",
      ["NOT_FOUND", "CONFLICT"],
    )
      .argument("<action>", ACTIONS.join(", "), oneOf(ACTIONS))
      .argument("<workspace>", "its name"),
    body: async (invocation, command) => {
      const params = { action: oneOf(ACTIONS)(argument(command, 0)), workspace: argument(command, 1) };
      invocation.output.result(await callService(invocation, "record", params), (status) => workspaceText(status));
    },
  };
}
