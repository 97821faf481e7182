import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { abortReason } from "../../common/abort.ts";
import { EXIT_STATUS, HomewardError } from "../../common/errors.ts";
import { exited, start } from "../../common/spawn.ts";
import { argument, callService, newCommand, oneOf, type CommandEntry } from "../command.ts";
import { ERROR_CODES } from "../exit-status.ts";
import type { Invocation } from "../invocation.ts";
import { workspaceText } from "../text/workspace.ts";

const GUESTS = ["tiny", "desktop"] as const;
const ACCELERATORS = ["kvm", "tcg"] as const;
const GUEST_BUILDER = join(import.meta.dirname, "..", "..", "guests", "main.ts");
const MAX_PATH_CHARACTERS = 4096;
/** Lines of the builder's that are shown when it fails. */
const LAST_WORDS = 4;

interface Options {
  readonly guest?: (typeof GUESTS)[number];
  readonly from?: string;
  readonly owner?: string;
  readonly allowHostLoopback?: boolean;
  readonly accelerator?: (typeof ACCELERATORS)[number];
}

/** Builds a guest or finds it in the cache, and returns its folder. @throws what the builder said, with its code */
async function builtGuest(name: string, { output, signal }: Invocation): Promise<string> {
  const child = await start(process.execPath, [GUEST_BUILDER, "build", name]);
  // It clears away what it has begun, which a SIGKILL would keep it from.
  const stop = (): void => {
    output.note("Stopping the building of the guest.");
    child.kill("SIGTERM");
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let folder = "";
  let words: string[] = [];
  child.stdout?.on("data", (chunk: Buffer) => {
    folder = (folder + chunk.toString()).slice(-MAX_PATH_CHARACTERS);
  });
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line === "") return;
      words = [...words, line].slice(-LAST_WORDS);
      output.update({ phase: "guest", done: 0, unit: "steps", note: line.slice(0, 200) });
    });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const status = await exited(child);
  await closed;
  signal.removeEventListener("abort", stop);
  if (signal.aborted) throw abortReason(signal);
  if (status === 0) return folder.trim();
  const code = ERROR_CODES.find((candidate) => EXIT_STATUS[candidate] === status) ?? "INTERNAL";
  throw new HomewardError(code, `the ${name} guest could not be built (${status})`, { hint: words.join("\n") });
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
      .option("--allow-host-loopback", "let its guest reach what listens on this computer's loopback, as 10.0.2.2")
      .option("--accelerator <name>", `run on ${ACCELERATORS.join(" or ")} (default: what works here)`, oneOf(ACCELERATORS)),
    body: async (invocation, command) => {
      const options = command.opts<Options>();
      const workspace = await callService(invocation, "create", {
        workspace: argument(command, 0),
        from: await sourceFolder(options, invocation),
        owner: options.owner ?? null,
        hostLoopback: options.allowHostLoopback === true,
        ...(options.accelerator === undefined ? {} : { accelerator: options.accelerator }),
      });
      invocation.output.result(workspace, (status) => workspaceText(status));
    },
  };
}
