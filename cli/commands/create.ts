import { join, resolve } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { argument, callService, newCommand, oneOf, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { workspaceText } from "../text/workspace.ts";

const GUESTS = ["tiny", "desktop"] as const;
const ACCELERATORS = ["kvm", "tcg"] as const;
const GUEST_BUILDER = join(import.meta.dirname, "..", "..", "guests", "main.ts");

interface Options {
  readonly guest?: (typeof GUESTS)[number];
  readonly from?: string;
  readonly owner?: string;
  readonly accelerator?: (typeof ACCELERATORS)[number];
}

/** Builds a guest or finds it in the cache, and returns its folder. */
async function builtGuest(name: string, { output, signal }: Invocation): Promise<string> {
  const { stdout } = await run(process.execPath, [GUEST_BUILDER, "build", name], {
    signal,
    onStderr: (text) => {
      const line = text.trim().split("\n").at(-1) ?? "";
      if (line !== "") output.update({ phase: "guest", done: 0, unit: "steps", note: line.slice(0, 200) });
    },
  });
  return stdout.toString().trim();
}

async function sourceFolder(options: Options, invocation: Invocation): Promise<string> {
  if ((options.guest === undefined) === (options.from === undefined))
    throw new HomewardError("USAGE", "create needs either --guest or --from", {
      hint: "--guest builds one of our guests from Debian packages, --from takes a folder made by seal --export.",
    });
  return options.guest === undefined ? resolve(options.from ?? ".") : builtGuest(options.guest, invocation);
}

export function createCommand(): CommandEntry {
  return {
    command: newCommand(
      "create",
      "Makes a workspace, switched off.",
      [
        ["homeward create work --guest desktop", "a small Debian desktop, built once from Debian packages"],
        ["homeward create work --from /media/stick/work --owner laptop", "hold a generation of laptop's workspace,"],
        ["", "so that it can migrate here cheaply"],
      ],
      "The first --guest desktop takes some minutes and the network; later ones find it in ~/.cache/homeward.",
      ["NOT_FOUND", "CONFLICT", "INCOMPATIBLE", "DAMAGED", "NO_ROOM", "GUEST"],
    )
      .argument("<name>", "the new workspace: 1 to 32 lower-case letters, digits and inner hyphens")
      .option("--guest <guest>", `build and use one of our guests: ${GUESTS.join(", ")}`, oneOf(GUESTS))
      .option("--from <dir>", "a guest's folder, or a generation written by seal --export")
      .option("--owner <host>", "the workspace belongs to this other host; only with an exported generation")
      .option("--accelerator <name>", `run on ${ACCELERATORS.join(" or ")} (default: what works here)`, oneOf(ACCELERATORS)),
    body: async (invocation, command) => {
      const options = command.opts<Options>();
      const workspace = await callService(invocation, "create", {
        workspace: argument(command, 0),
        from: await sourceFolder(options, invocation),
        owner: options.owner ?? null,
        ...(options.accelerator === undefined ? {} : { accelerator: options.accelerator }),
      });
      invocation.output.result(workspace, (status) => workspaceText(status));
    },
  };
}
