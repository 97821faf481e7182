import { HomewardError } from "../../common/errors.ts";
import { argument, callService, newCommand, oneOf, type CommandEntry } from "../command.ts";
import { workspaceText } from "../text/workspace.ts";

const ACTIONS = ["powerdown", "reset", "off"] as const;

export function powerCommand(): CommandEntry {
  return {
    command: newCommand(
      "power",
      "Presses a button of the machine: power, reset, or the plug.",
      [
        ["homeward power work powerdown", "asks the guest to shut down and waits up to two minutes for it"],
        ["homeward power work reset", "restarts it at once"],
        ["homeward power work off", "pulls the plug: what the guest had not written to disk is lost"],
      ],
      `"off" also throws away what a suspended workspace had in memory; its disk stays.`,
      ["NOT_FOUND", "CONFLICT", "TIMEOUT", "GUEST"],
    )
      .argument("<workspace>", "its name")
      .argument("<action>", ACTIONS.join(", "), oneOf(ACTIONS)),
    body: async (invocation, command) => {
      const params = { workspace: argument(command, 0), action: oneOf(ACTIONS)(argument(command, 1)) };
      const workspace = await callService(invocation, "power", params).catch((error: unknown) => {
        if (!invocation.signal.aborted || params.action !== "powerdown") throw error;
        throw new HomewardError("CANCELLED", "stopped waiting", {
          cause: error,
          hint: `${params.workspace} was asked to shut down already, and may still do so.`,
        });
      });
      invocation.output.result(workspace, (status) => workspaceText(status));
    },
  };
}
