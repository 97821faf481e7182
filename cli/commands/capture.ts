import { formatTable } from "../../common/table.ts";
import { sessionDisplay } from "../../viewer/display.ts";
import type { Layout } from "../../viewer/picture.ts";
import { XConnection } from "../../viewer/x11/connection.ts";
import { chooseWindow, listWindows, windowId, type WindowInfo } from "../../viewer/x11/windows.ts";
import { argument, connect, newCommand, oneOf, wholeNumber, type CommandEntry } from "../command.ts";
import { captureWindow } from "../capture-window.ts";

interface Options {
  readonly window?: string;
  readonly scale: Layout["scale"];
  readonly top: number;
}

function windowsText(windows: readonly WindowInfo[]): string {
  if (windows.length === 0) return "There are no windows on this display.";
  const rows = windows.map(({ id, width, height, program, title }) => [windowId(id), `${width} x ${height}`, program, title]);
  return `${formatTable(rows, [], "")}\nChoose one with --window ID, or a part of its title.`;
}

async function windowsHere(env: NodeJS.ProcessEnv): Promise<WindowInfo[]> {
  const x = await XConnection.connect(sessionDisplay(env), env);
  try {
    return await listWindows(x);
  } finally {
    x.close();
  }
}

export function captureCommand(): CommandEntry {
  return {
    command: newCommand(
      "capture",
      "Records what you do in the window of a viewer that is not connected to the console.",
      [
        ["homeward capture work", "list the windows"],
        ["homeward capture work --window 0x1c00007", "record what is done in this one, until Ctrl-C or it is closed"],
        ["xtigervncviewer $(homeward console work --direct)", "such a viewer"],
        ["homeward capture work --window virt-viewer --top 37", "one with a menu bar of 37 pixels above the picture"],
      ],
      "Not needed for a viewer on the console's socket: what is done there is recorded. It is for those connected to QEMU itself, " +
        "on the socket that console shows with --direct. What happens in the window's picture of the guest while it has the focus " +
        "is recorded, and nothing else. It needs an X11 session and the npm package uiohook-napi.",
      ["NOT_FOUND", "CONFLICT", "TIMEOUT"],
    )
      .argument("<workspace>", "its name")
      .option("--window <window>", "ID of the window or a part of its title (default: list them)")
      .option("--scale <how>", "fit: the picture fills the window; none: pixel by pixel", oneOf(["fit", "none"] as const), "fit")
      .option("--top <pixels>", "height of the viewer's bars above the picture", wholeNumber(0, 4096), 0),
    body: async (invocation, command) => {
      const { output, surroundings, signal } = invocation;
      const { window, scale, top } = command.opts<Options>();
      const workspace = argument(command, 0);
      const windows = await windowsHere(surroundings.env);
      if (window === undefined) {
        const named = windows.map((each) => ({ ...each, id: windowId(each.id) }));
        output.result({ windows: named, window: null, events: 0, ended: null }, () => windowsText(windows));
        return;
      }
      const chosen = chooseWindow(windows, window);
      const client = await connect(invocation);
      try {
        const layout = { scale, top };
        const { events, ended } = await captureWindow({ client, workspace, window: chosen, layout, env: surroundings.env, signal, output });
        const result = { windows: null, window: windowId(chosen.id), events, ended };
        output.result(result, () => `Recorded ${events} events${ended === "stopped" ? "" : ": the window was closed"}.`);
      } finally {
        client.close();
      }
    },
  };
}
