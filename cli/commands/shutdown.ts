import { callService, newCommand, oneOf, type CommandEntry } from "../command.ts";

const MACHINES = ["keep", "suspend", "kill"] as const;
type Machines = (typeof MACHINES)[number];

const OUTCOME: Readonly<Record<Machines, string>> = {
  keep: "The service has stopped; its machines run on and are taken over by the next one.",
  suspend: "The machines are suspended and the service has stopped.",
  kill: "The service has stopped and its machines are switched off.",
};

export function shutdownCommand(): CommandEntry {
  return {
    command: newCommand(
      "shutdown",
      "Ends this host's service.",
      [
        ["homeward shutdown", "machines run on; the next service takes them over"],
        ["homeward shutdown --machines suspend", "before you switch off the computer"],
      ],
      "A migration that has not released its workspace is cancelled, and the workspace stays here. Nothing is recorded " +
        "while no service runs.",
      ["CONFLICT", "NO_ROOM", "GUEST"],
    ).option("--machines <what>", `${MACHINES.join(", ")}: what happens to running machines`, oneOf(MACHINES), "keep"),
    body: async (invocation, command) => {
      const { machines } = command.opts<{ machines: Machines }>();
      invocation.output.result(await callService(invocation, "shutdown", { machines }), () => OUTCOME[machines]);
    },
  };
}
