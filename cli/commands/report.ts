import { callService, newCommand, type CommandEntry } from "../command.ts";
import { migrationsText, reportText } from "../text/report.ts";

export function reportCommand(): CommandEntry {
  return {
    command: newCommand("report", "Shows where the time and the bytes of a migration went.", [
      ["homeward report", "the newest one"],
      ["homeward report --list", "all that this host remembers"],
      ["homeward report ID", "one of the list"],
    ])
      .argument("[id]", "a migration's ID")
      .option("--list", "list the migrations"),
    body: async (invocation, command) => {
      const id: unknown = command.processedArgs[0];
      const params = typeof id === "string" ? { id } : {};
      const { list = false } = command.opts<{ list?: boolean }>();
      invocation.output.result(await callService(invocation, "report", params), ({ migrations, report }) =>
        list || report === null ? migrationsText(migrations) : reportText(report),
      );
    },
  };
}
