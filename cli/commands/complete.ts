import { withTimeout } from "../../common/abort.ts";
import type { ServiceStatus } from "../../protocol/control.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { argument, newCommand, oneOf, type CommandEntry } from "../command.ts";
import { NAME_KINDS, type NameKind } from "../completion/grammar.ts";
import { controlSocket } from "../../protocol/state-dir.ts";

/** Whoever pressed Tab does not wait longer. */
const TIMEOUT_MS = 1000;
/** A shell makes words of what it is offered: anything else stays away from it. */
const SAFE_NAME = /^[A-Za-z0-9-]+$/;

async function namesOf(kind: NameKind, client: ControlClient): Promise<string[]> {
  if (kind === "migrations") return (await client.call("report", {})).migrations.map(({ id }) => id);
  const { workspaces, peers }: ServiceStatus = await client.call("status", {});
  return (kind === "workspaces" ? workspaces : peers).map(({ name }) => name);
}

async function askedNames(kind: NameKind, socket: string): Promise<string[]> {
  const client = await ControlClient.connect(socket, TIMEOUT_MS);
  try {
    return await withTimeout(namesOf(kind, client), TIMEOUT_MS, "the service");
  } finally {
    client.close();
  }
}

/** What the scripts of `homeward completion` ask when Tab is pressed; not shown in the help. */
export function completeCommand(): CommandEntry {
  return {
    command: newCommand(
      "complete",
      "Prints the names that the running service knows, one a line; nothing when it does not answer at once.",
      [["homeward complete workspaces", ""]],
    ).argument("<kind>", NAME_KINDS.join(", "), oneOf(NAME_KINDS)),
    body: async (invocation, command) => {
      const kind = oneOf(NAME_KINDS)(argument(command, 0));
      const names = await askedNames(kind, controlSocket(invocation.stateDir)).catch((): string[] => []);
      invocation.output.result({ names: names.filter((name) => SAFE_NAME.test(name)) }, (found) => found.names.join("\n"));
    },
  };
}
