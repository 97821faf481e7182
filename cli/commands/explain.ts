import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { callService, newCommand, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { fullMigrationId } from "../migration-id.ts";
import { explainedSvg, explainedText } from "../text/explain.ts";

/** The migration that was asked for, or the newest one that this host sent. */
async function idFor(given: unknown, invocation: Invocation): Promise<string> {
  const { migrations } = await callService(invocation, "report", {});
  if (typeof given === "string") return fullMigrationId(given, migrations);
  const newest = migrations.find(({ role, bytes }) => role === "source" && bytes !== null);
  if (newest === undefined)
    throw new HomewardError("NOT_FOUND", "this host has sent no workspace that there is a report of", {
      hint: `"homeward report --list" shows the migrations that it knows of.`,
    });
  return newest.id;
}

export function explainCommand(): CommandEntry {
  return {
    command: newCommand(
      "explain",
      "Shows what kinds of memory and disk blocks a migration had to send, and what can be done against each.",
      [
        ["homeward explain", "the newest migration that this host sent"],
        ["homeward explain 5f0c6f5e", "one that homeward report --list shows"],
        ["homeward explain 5f0c6f5e --svg sent.svg", "a bar chart as well"],
        ["homeward explain --json | jq .kinds", "for programs"],
      ],
      "Reads the two generations that the migration lay between, on the host that sent it, as long as they are kept. What a page " +
        "of memory was used for is looked up in the records of the guest's own kernel (Linux for x86-64); guessed from contents elsewhere.",
      ["NOT_FOUND", "CONFLICT", "DAMAGED"],
    )
      .argument("[id]", "a migration's ID, or how it begins")
      .option("--svg <file>", "write a bar chart"),
    body: async (invocation, command) => {
      const explained = await callService(invocation, "explain", { id: await idFor(command.processedArgs[0], invocation) });
      const { svg: file } = command.opts<{ svg?: string }>();
      const svg = file === undefined ? null : resolve(file);
      if (svg !== null) await writeFile(svg, explainedSvg(explained));
      invocation.output.result({ ...explained, svg }, explainedText);
    },
  };
}
