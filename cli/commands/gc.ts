import { callService, newCommand, type CommandEntry } from "../command.ts";
import { collectedText } from "../text/collected.ts";

export function gcCommand(): CommandEntry {
  return {
    command: newCommand(
      "gc",
      "Removes from this host what nobody needs any more: old generations, layers, leftovers.",
      [
        ["homeward gc --dry-run", "what would be removed, and what stays and why"],
        ["homeward gc", "removes it"],
      ],
      "The service does the same by itself when it starts and after every seal and move. What a workspace is based on, what " +
        "another host may start from, and what work under way needs always stays.",
    ).option("--dry-run", "only say what would be removed"),
    body: async (invocation, command) => {
      const dryRun = command.opts<{ dryRun?: boolean }>().dryRun === true;
      invocation.output.result(await callService(invocation, "gc", { dryRun }), collectedText);
    },
  };
}
