import { InvalidArgumentError } from "commander";
import { formatBytes, formatSeconds } from "../../common/quantities.ts";
import type { PushResult } from "../../protocol/control.ts";
import { argument, callService, newCommand, type CommandEntry } from "../command.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6, G: 1e9 };
const MIN_BYTES_PER_SECOND = 1024;

/** Bytes a second: 500k, 2M, 1.5M. */
export function parsedRate(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)([kMG]?)$/.exec(text) ?? [];
  const rate = Math.round(Number(digits) * (UNITS[unit] ?? Number.NaN));
  if (digits === undefined || rate < MIN_BYTES_PER_SECOND || !Number.isSafeInteger(rate))
    throw new InvalidArgumentError("It is bytes a second, 1024 at least: 500k, 2M.");
  return rate;
}

export function pushText({ workspace, peer, held, bytes, landedBytes, linkBytes, seconds }: PushResult): string {
  if (held) return `${peer} holds the generation of ${workspace} already.`;
  const before = landedBytes === 0 ? "" : `, ${formatBytes(landedBytes)} of it were there already`;
  return (
    `${peer} holds the generation of ${workspace} now: ${formatBytes(bytes)}${before}; ` +
    `${formatBytes(linkBytes)} were sent in ${formatSeconds(seconds)}.`
  );
}

export function pushCommand(): CommandEntry {
  return {
    command: newCommand(
      "push",
      "Lays the generation of a workspace down on another host, so that the workspace can be moved there.",
      [
        ["homeward push work home", "once, over a good link if there is one; then homeward migrate work home"],
        ["homeward push work home --seal", "the state of just now: what is done later is all that a move has to bring"],
        ["homeward push work home --limit 500k", "sends at most 500 kB a second"],
        ["homeward check work home --for push", "only asks home whether it could"],
      ],
      "The workspace goes on here meanwhile. What was sent stays there: Ctrl-C, a crash or a lost connection cost nothing, the " +
        "same command goes on where it stopped. The other host reads everything and computes its root before it counts. An older " +
        "generation that it holds is what the new one is compared with, so that only what differs is sent: of one that grew from what it " +
        "holds as little as a move by overlay, if there is no limit. With --seal the machine stands still until its state is saved.",

      ["NOT_FOUND", "CONFLICT", "INCOMPATIBLE", "DAMAGED", "PEER", "NO_ROOM", "TIMEOUT"],
    )
      .argument("<workspace>", "its name")
      .argument("<host>", "a host that homeward status lists")
      .option("--seal", "make a generation of the present state first")
      .option("--limit <rate>", "bytes a second, e.g. 500k or 2M (default: as fast as it goes)", parsedRate),
    body: async (invocation, command) => {
      const { limit, seal = false } = command.opts<{ limit?: number; seal?: boolean }>();
      const result = await callService(invocation, "push", {
        workspace: argument(command, 0),
        peer: argument(command, 1),
        anew: seal,
        ...(limit === undefined ? {} : { bytesPerSecond: limit }),
      });
      invocation.output.result(result, pushText);
    },
  };
}
