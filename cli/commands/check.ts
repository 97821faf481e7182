import { EXIT_STATUS } from "../../common/errors.ts";
import { printable } from "../../common/progress-display.ts";
import type { CheckResult } from "../../protocol/control.ts";
import { argument, callService, newCommand, oneOf, type CommandEntry } from "../command.ts";

const PURPOSES = ["migrate", "push"] as const;
const MODES = ["replay", "overlay"] as const;

interface Options {
  readonly for: (typeof PURPOSES)[number];
  readonly mode: (typeof MODES)[number];
  readonly hold?: boolean;
}

/** All that is missing, a line each, with what to do about it under it. */
export function checkText({ workspace, peer, missing }: CheckResult, purpose: Options["for"]): string {
  const could = purpose === "push" ? `hold a generation of ${workspace}` : `take ${workspace}`;
  if (missing.length === 0) return `${peer} could ${could}: nothing is missing.`;
  const lines = missing.map(({ message, hint }) => `  ${printable(message)}${hint === null ? "" : `\n    ${printable(hint)}`}`);
  return [`${peer} could not ${could}:`, ...lines].join("\n");
}

export function checkCommand(): CommandEntry {
  return {
    command: newCommand(
      "check",
      "Asks another host for everything that would keep it from taking a workspace; nothing is moved.",
      [
        ["homeward check work home", "before homeward migrate work home"],
        ["homeward check work home --for push", "before homeward push work home"],
      ],
      "It compares QEMU's version, the machine type, CPU and accelerator, UEFI firmware, memory, disk space, what it knows of " +
        "the workspace and what this host may do there, and names all that is missing. The generation itself is only read " +
        "when it is used.",
      ["NOT_FOUND", "CONFLICT", "INCOMPATIBLE", "PEER", "NO_ROOM", "TIMEOUT"],
    )
      .argument("<workspace>", "its name")
      .argument("<host>", "a host that homeward status lists")
      .option("--for <what>", PURPOSES.join(" or "), oneOf(PURPOSES), "migrate")
      .option("--mode <mode>", MODES.join(" or "), oneOf(MODES), "replay")
      .option("--hold", "as if it were not to be started there"),
    body: async (invocation, command) => {
      const { for: purpose, mode, hold = false } = command.opts<Options>();
      const result = await callService(invocation, "check", {
        workspace: argument(command, 0),
        peer: argument(command, 1),
        purpose: purpose === "push" ? "push" : "migration",
        mode,
        hold,
      });
      invocation.output.result(result, (found) => checkText(found, purpose));
      const [first] = result.missing;
      if (first !== undefined) invocation.exitWith(EXIT_STATUS[first.code]);
    },
  };
}
