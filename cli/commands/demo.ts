import { join } from "node:path";
import { exited, start } from "../../common/spawn.ts";
import { newCommand, oneOf, type CommandEntry } from "../command.ts";

const DEMO = join(import.meta.dirname, "..", "..", "demo", "main.ts");

interface Options {
  readonly guest?: string;
  readonly session?: string;
  readonly link?: string;
  readonly out?: string;
  readonly keep?: boolean;
}

function demoArguments({ guest, session, link, out, keep }: Options, json: boolean): string[] {
  const given = { guest, session, link, out };
  return [
    DEMO,
    ...Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])),
    ...(keep === true ? ["--keep"] : []),
    ...(json ? ["--json"] : []),
  ];
}

export function demoCommand(): CommandEntry {
  return {
    command: newCommand(
      "demo",
      "Shows it all on one computer: two hosts, a slow link, a person's session, the move home by replay, and back.",
      [
        ["homeward demo", "a Debian desktop; eight minutes the first time, then four"],
        ["homeward demo --guest tiny", "a text console, in a minute"],
        ["homeward demo --link 10mbit,20ms --out /tmp/demo", "another line; pictures and report go there"],
      ],
      "It builds the guest if need be, uses up to 10 GB of disk meanwhile, and leaves nothing running. It needs no service.",
      ["NOT_FOUND", "DAMAGED", "PEER", "NO_ROOM", "TIMEOUT", "GUEST"],
    )
      .option("--guest <guest>", "tiny or desktop", oneOf(["tiny", "desktop"]), "desktop")
      .option("--session <file>", "what the person types and clicks (default: one of demo/sessions/)")
      .option("--link <rate,rtt>", "speed and round trip of the link", "1mbit,50ms")
      .option("--out <dir>", "where the pictures and the report go (default: a new folder in out/)")
      .option("--keep", "keep the two hosts' folders"),
    body: async (invocation, command) => {
      const args = demoArguments(command.opts<Options>(), invocation.json);
      const child = await start(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
      const stop = (): void => {
        invocation.output.note("Stopping. Ctrl-C again leaves at once; the demo puts everything away all the same.");
        child.kill("SIGTERM");
      };
      invocation.signal.addEventListener("abort", stop, { once: true });
      const status = await exited(child);
      invocation.exitWith(typeof status === "number" ? status : 1);
    },
  };
}
