import { MODEL_LEVEL } from "../../protocol/residual/limits.ts";
import { argument, callService, newCommand, oneOf, wholeNumber, type CommandEntry } from "../command.ts";
import { reportText } from "../text/report.ts";

const MODES = ["auto", "replay", "overlay"] as const;

interface Options {
  readonly mode: (typeof MODES)[number];
  readonly metered?: boolean;
  readonly hold?: boolean;
  readonly level?: number;
}

export function migrateCommand(): CommandEntry {
  return {
    command: newCommand(
      "migrate",
      "Moves a workspace to another host that holds its generation.",
      [
        ["homeward migrate work home", "by replay if it is expected to be over sooner, else by overlay"],
        ["homeward migrate work home --metered", "whichever sends fewer bytes, however long it takes"],
        ["homeward migrate work home --mode overlay", "without replay: what changed is sent"],
        ["homeward migrate work home --hold", "it arrives suspended; start it there when you like"],
      ],
      "The machine pauses here, what you did is replayed there if that pays, the rest is sent and checked, and only then does " +
        "the other host become the owner. Which way was chosen and why is in the report. Until that moment Ctrl-C, a crash or a lost connection leave it running here as " +
        "if nothing had happened.",
      ["NOT_FOUND", "CONFLICT", "INCOMPATIBLE", "DAMAGED", "PEER", "NO_ROOM", "TIMEOUT", "GUEST"],
    )
      .argument("<workspace>", "its name")
      .argument("<host>", "a host that homeward status lists")
      .option("--mode <mode>", MODES.join(", "), oneOf(MODES), "auto")
      .option("--metered", "the link costs by the byte: bytes alone count for auto")
      .option("--hold", "leave the machine suspended there")
      .option("--level <number>", "how hard to pack, 1 to 19 (zstd) or 20 (default: chosen from the speed of the link)", wholeNumber(1, MODEL_LEVEL)),
    body: async (invocation, command) => {
      const { mode, metered = false, hold = false, level } = command.opts<Options>();
      const report = await callService(invocation, "migrate", {
        workspace: argument(command, 0),
        peer: argument(command, 1),
        mode,
        metered,
        hold,
        ...(level === undefined ? {} : { level }),
      });
      invocation.output.result(report, reportText);
    },
  };
}
