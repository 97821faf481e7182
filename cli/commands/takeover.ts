import { HomewardError } from "../../common/errors.ts";
import type { ControlResult } from "../../protocol/control.ts";
import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { duration, localTime } from "../text/age.ts";

function loss(workspace: string, { owner, since, ownerSeenAt }: ControlResult<"takeover">, now: Date): string {
  const seen = ownerSeenAt === null ? `${owner} was never heard of here` : `${owner} was last heard of ${duration(ownerSeenAt, now)} ago`;
  return `what was done with ${workspace} on ${owner} since ${localTime(since)} (${duration(since, now)} ago) is lost; ${seen}`;
}

export function takeoverCommand(): CommandEntry {
  return {
    command: newCommand(
      "takeover",
      "Makes this host the owner of a workspace whose owner is gone for good.",
      [
        ["homeward takeover work", "only says what would be lost"],
        ["homeward takeover work --yes", "then start it: homeward start work"],
      ],
      "It goes on from the newest generation that this host holds, without what was done on the other host since. Should that " +
        "host return, its copy no longer counts: it is suspended there as soon as both reach each other, and its work is kept under " +
        "another name. As long as the owner can be reached, migrate the workspace from there instead.",
      ["NOT_FOUND", "CONFLICT", "DAMAGED"],
    )
      .argument("<workspace>", "its name")
      .option("--yes", "you are sure: the other host is gone for good"),
    body: async (invocation, command) => {
      const workspace = argument(command, 0);
      const confirmed = command.opts<{ yes?: boolean }>().yes === true;
      const result = await callService(invocation, "takeover", { workspace, confirmed });
      const lost = loss(workspace, result, new Date());
      if (!confirmed)
        throw new HomewardError("USAGE", lost, {
          hint: `If ${result.owner} is gone for good: homeward takeover ${workspace} --yes`,
          data: { owner: result.owner, since: result.since, ownerSeenAt: result.ownerSeenAt },
        });
      invocation.output.result(result, () => `${workspace} is this host's now; ${lost}. "homeward start ${workspace}" starts it.`);
    },
  };
}
