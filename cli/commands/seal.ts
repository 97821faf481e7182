import { resolve } from "node:path";
import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { shortRoot } from "../text/workspace.ts";

export function sealCommand(): CommandEntry {
  return {
    command: newCommand(
      "seal",
      "Makes a generation of a workspace as it is now, and records what you do from here on.",
      [
        ["homeward seal work", "the machine pauses meanwhile and runs on"],
        ["homeward seal work --export /media/stick/work", "also writes a copy for another host,"],
        ["homeward create work --from /media/stick/work --owner laptop", "which is given to that host like this"],
      ],
      "A generation is the starting point that other hosts can hold too. A running machine pauses while its memory and " +
        "disk are read, and runs on.",
      ["NOT_FOUND", "CONFLICT", "NO_ROOM", "TIMEOUT", "GUEST"],
    )
      .argument("<workspace>", "its name")
      .option("--export <dir>", "also write the generation to this folder, which must not exist yet"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      const { export: target } = command.opts<{ export?: string }>();
      const params = { workspace, ...(target === undefined ? {} : { export: resolve(target) }) };
      invocation.output.result(await callService(invocation, "seal", params), ({ root }) =>
        [
          `${workspace} is generation ${shortRoot(root)} now; what you do in it is recorded from here on.`,
          ...(target === undefined ? [] : [`A copy is in ${resolve(target)}.`]),
        ].join("\n"),
      );
    },
  };
}
