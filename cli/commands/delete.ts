import { HomewardError } from "../../common/errors.ts";
import { argument, callService, newCommand, type CommandEntry } from "../command.ts";

export function deleteCommand(): CommandEntry {
  return {
    command: newCommand(
      "delete",
      "Removes a workspace from this host, with its disk, its memory and its log.",
      [
        ["homeward delete work --yes", "it must not be running: homeward power work off"],
      ],
      "Other hosts keep what they hold. A workspace that is on another host is only forgotten here, and can then no " +
        "longer come back cheaply.",
      ["NOT_FOUND", "CONFLICT"],
    )
      .argument("<workspace>", "its name")
      .option("--yes", "you are sure: it cannot be undone"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      if (command.opts<{ yes?: boolean }>().yes !== true)
        throw new HomewardError("USAGE", `deleting ${workspace} cannot be undone`, {
          hint: `If you are sure: homeward delete ${workspace} --yes`,
        });
      invocation.output.result(await callService(invocation, "delete", { workspace }), () => `${workspace} is removed from this host.`);
    },
  };
}
