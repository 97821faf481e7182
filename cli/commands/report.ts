import { HomewardError } from "../../common/errors.ts";
import type { ControlResult } from "../../protocol/control.ts";
import { callService, newCommand, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { migrationsText, reportText, unreportedText } from "../text/report.ts";

type Answer = ControlResult<"report">;

/** An id as the service knows it, from its first characters. @throws NOT_FOUND, or USAGE if several begin like that */
function fullId(given: string, { migrations }: Answer): string {
  const ids = migrations.map(({ id }) => id).filter((id) => id.startsWith(given));
  const [id] = ids;
  if (id === undefined)
    throw new HomewardError("NOT_FOUND", `this host knows of no migration ${given}`, {
      hint: `"homeward report --list" shows them.`,
    });
  if (ids.length > 1) throw new HomewardError("USAGE", `${ids.length} migrations begin with ${given}: give more of it`);
  return id;
}

async function answerFor(id: unknown, invocation: Invocation): Promise<Answer> {
  const newest = await callService(invocation, "report", {});
  return typeof id === "string" ? callService(invocation, "report", { id: fullId(id, newest) }) : newest;
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
