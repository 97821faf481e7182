import { argument, callService, newCommand, type CommandEntry } from "../command.ts";

export function unpairCommand(): CommandEntry {
  return {
    command: newCommand(
      "unpair",
      "Ends the trust in another host at once, and every connection with it.",
      [["homeward unpair home", "a migration that is under way with it is cut off"]],
      "A workspace that was released or taken just then is settled once the two are paired again.",
      ["NOT_FOUND", "DAMAGED"],
    ).argument("<host>", "its name"),
    body: async (invocation, command) => {
      const host = await callService(invocation, "unpair", { name: argument(command, 0) });
      invocation.output.result(host, () => `${host.name} is not trusted any more.`);
    },
  };
}
