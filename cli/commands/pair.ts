import { InvalidArgumentError } from "commander";
import { nameSchema } from "../../protocol/control.ts";
import { argument, callService, newCommand, oneOf, type CommandEntry } from "../command.ts";
import { rightsText } from "../text/hosts.ts";

const RIGHTS = ["both", "push", "take", "none"] as const;

interface Options {
  readonly name: string;
  readonly may: (typeof RIGHTS)[number];
  readonly workspaces?: readonly string[];
}

function parsedName(text: string): string {
  if (nameSchema.safeParse(text).success) return text;
  throw new InvalidArgumentError("A name is 1 to 32 lower-case letters, digits and inner hyphens.");
}

export function pairCommand(): CommandEntry {
  return {
    command: newCommand(
      "pair",
      "Makes another host known by its ID: the two can then move workspaces over any network.",
      [
        ["homeward pair MFZWI3D-... home.example:7411 --name home", "on this host"],
        ["homeward pair XBTNK5Q-... laptop.example:7411 --name laptop", "and on home: both have to agree"],
        ["homeward pair MFZWI3D-... home.example:7411 --name home --may take", "again: other rights"],
        ["homeward pair MFZWI3D-... ssh://me@home.example --name home", "through ssh: home needs no open port for Homeward"],
      ],
      'The ID is what "homeward hosts" shows on the other host; case, dashes and mistaken 0, 1 and 8 do not matter. Read it ' +
        "there, or have it told by somebody you know, not from the network. The name is what the other host calls itself.",
      ["NOT_FOUND", "CONFLICT", "DAMAGED"],
    )
      .argument("<host-id>", "the other host's ID")
      .argument("<address>", "HOST:PORT where it listens, or ssh://[USER@]HOST[:PORT]")
      .requiredOption("--name <name>", "the other host's name", parsedName)
      .option("--may <what>", "push: move workspaces here; take: have workspaces moved there; both; none", oneOf(RIGHTS), "both")
      .option("--workspaces <names>", "only these, with commas between them (default: all)", (text: string) => text.split(",").map(parsedName)),
    body: async (invocation, command) => {
      const { name, may, workspaces = null } = command.opts<Options>();
      const rights = {
        push: may === "both" || may === "push",
        take: may === "both" || may === "take",
        workspaces: workspaces === null ? null : [...workspaces],
      };
      const params = { id: argument(command, 0), address: argument(command, 1), name, rights };
      const host = await callService(invocation, "pair", params);
      invocation.output.result(host, () => `Paired with ${host.name}; it ${rightsText(host.rights)}.`);
    },
  };
}
