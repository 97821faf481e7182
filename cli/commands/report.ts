import type { ControlResult } from "../../protocol/control.ts";
import { callService, newCommand, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { fullMigrationId } from "../migration-id.ts";
import { migrationsText, reportText, unreportedText } from "../text/report.ts";

type Answer = ControlResult<"report">;

async function answerFor(id: unknown, invocation: Invocation): Promise<Answer> {
  const newest = await callService(invocation, "report", {});
  return typeof id === "string" ? callService(invocation, "report", { id: fullMigrationId(id, newest.migrations) }) : newest;
}

export function reportCommand(): CommandEntry {
  return {
    command: newCommand(
      "report",
      "Shows how a migration went: the replay, the time and the bytes.",
      [
        ["homeward report", "the newest one that has a report"],
        ["homeward report --list", "all that this host remembers, newest first"],
        ["homeward report 5f0c6f5e", "one of the list"],
        ["homeward report --json | jq .report.bytes", "for programs, which always get both"],
      ],
      "Both hosts keep the report of a migration. One that failed has none, but is in the list with the reason.",
      ["NOT_FOUND"],
    )
      .argument("[id]", "a migration's ID, or how it begins")
      .option("--list", "list the migrations"),
    body: async (invocation, command) => {
      const id: unknown = command.processedArgs[0];
      const { list = false } = command.opts<{ list?: boolean }>();
      const answer = await answerFor(id, invocation);
      invocation.output.result(answer, ({ migrations, report }) => {
        if (list) return migrationsText(migrations);
        if (report !== null) return reportText(report);
        const row = migrations.find((migration) => typeof id === "string" && migration.id.startsWith(id));
        return row === undefined ? migrationsText(migrations) : unreportedText(row);
      });
    },
  };
}
