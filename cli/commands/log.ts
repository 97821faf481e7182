import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCount, formatSeconds, formatTime } from "../../common/quantities.ts";
import type { ControlResult } from "../../protocol/control.ts";
import { argument, callService, newCommand, wholeNumber, type CommandEntry } from "../command.ts";
import { shortRoot } from "../text/workspace.ts";

function logText({ root, events, bytes, durationMs, entries }: ControlResult<"log">, limit: number): string {
  const lines = entries.map(({ atMs, text }) => `${formatTime(atMs).padStart(11)}  ${printable(text)}`);
  if (events === 0) return `Nothing was recorded since generation ${shortRoot(root)}.`;
  return [
    `Since generation ${shortRoot(root)}: ${formatCount(events)} events in ${formatSeconds(durationMs / 1000)}, ` +
      `${formatBytes(bytes)}.`,
    ...(limit > 0 && entries.length === limit ? ["(the newest lines; --limit shows more)"] : []),
    ...lines,
  ].join("\n");
}

export function logCommand(): CommandEntry {
  return {
    command: newCommand(
      "log",
      "Shows what was recorded since a generation.",
      [
        ["homeward log work", "the newest entries"],
        ["homeward log work --limit 0", "only how much there is"],
        ["homeward log work --show-text", "with what was typed"],
      ],
      "Keys, pointer, checkpoints of the screen, power and network use. Of what was typed only how much, unless it is asked for: " +
        "passwords are in it, too.",
      ["NOT_FOUND", "CONFLICT", "DAMAGED"],
    )
      .argument("<workspace>", "its name")
      .option("--root <root>", "the log that starts at this generation (64 hexadecimal digits; default: the newest)")
      .option("--limit <number>", "how many lines at most, the newest; 0 to 2000", wholeNumber(0, 2000), 200)
      .option("--show-text", "show what was typed, passwords included"),
    body: async (invocation, command) => {
      const { root, limit, showText = false } = command.opts<{ root?: string; limit: number; showText?: boolean }>();
      const params = { workspace: argument(command, 0), limit, showText, ...(root === undefined ? {} : { root }) };
      invocation.output.result(await callService(invocation, "log", params), (answer) => logText(answer, limit));
    },
  };
}
