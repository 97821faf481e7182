import { HomewardError } from "../../common/errors.ts";
import { start } from "../../common/spawn.ts";
import { argument, callService, newCommand, type CommandEntry } from "../command.ts";
import { findProgram } from "../find-program.ts";

/** Viewers that take the path of a unix socket: TigerVNC's, under its own name and under Debian's alternative. */
const VIEWERS = ["xtigervncviewer", "vncviewer"] as const;

/** Opens a window that outlives this command. @throws ENVIRONMENT if there is no viewer or no screen to open it on */
async function openViewer(socket: string, env: NodeJS.ProcessEnv): Promise<string> {
  const viewer = await findProgram(VIEWERS, env["PATH"] ?? "");
  if (viewer === undefined)
    throw new HomewardError("ENVIRONMENT", "no viewer is installed that can open a unix socket", {
      hint: "Install one with: apt-get install tigervnc-viewer",
    });
  if (!env["DISPLAY"])
    throw new HomewardError("ENVIRONMENT", "there is no display to open a window on (DISPLAY is not set)", {
      hint: "Run this in a terminal of a graphical session.",
    });
  await start(viewer, ["-Shared=1", socket], { detached: true, stdio: ["ignore", "ignore", "ignore"] });
  return viewer;
}

export function consoleCommand(): CommandEntry {
  return {
    command: newCommand(
      "console",
      "Shows how to see and use a running workspace, or opens a window.",
      [
        ["homeward console work --open", "open a window (TigerVNC)"],
        ["xtigervncviewer $(homeward console work --path)", "the same by hand"],
        ["socat TCP-LISTEN:5901,bind=127.0.0.1,fork UNIX:$(homeward console work --path)", ""],
        ["", "for viewers that only know TCP; every user of this computer can then connect"],
      ],
      "Screen, keyboard and mouse are a unix socket that speaks VNC. Any number of viewers may be open; what is typed in " +
        "any of them is recorded.",
      ["NOT_FOUND", "CONFLICT"],
    )
      .argument("<workspace>", "its name")
      .option("--open", "open a viewer")
      .option("--path", "print the path and nothing else")
      .option("--direct", "print the path of QEMU's own socket and nothing else; see the command capture"),
    body: async (invocation, command) => {
      const options = command.opts<{ open?: boolean; path?: boolean; direct?: boolean }>();
      const { path, direct } = await callService(invocation, "console", { workspace: argument(command, 0) });
      const viewer = options.open === true ? await openViewer(path, invocation.surroundings.env) : null;
      invocation.output.result({ path, direct, viewer }, () => {
        if (options.direct === true) return direct;
        if (options.path === true) return path;
        if (viewer !== null) return `Opened ${path} in ${viewer}.`;
        return `${path}\nOpen it with: xtigervncviewer ${path}`;
      });
    },
  };
}
