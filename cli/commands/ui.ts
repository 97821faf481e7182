import { join } from "node:path";
import { createInterface } from "node:readline";
import { HomewardError } from "../../common/errors.ts";
import { exited, start } from "../../common/spawn.ts";
import { callService, newCommand, wholeNumber, type CommandEntry } from "../command.ts";
import { findProgram } from "../find-program.ts";
import type { Invocation } from "../invocation.ts";

const BUILDER = join(import.meta.dirname, "..", "..", "scripts", "build-renderer.ts");
const OPENERS = ["xdg-open"] as const;
/** Lines of the builder's that are shown when it fails. */
const LAST_WORDS = 10;

/** Makes the pages from their sources if these are newer. @throws ENVIRONMENT with what the builder said */
async function buildPages({ output }: Invocation): Promise<void> {
  const child = await start(process.execPath, [BUILDER], { stdio: ["ignore", "pipe", "pipe"] });
  let words: string[] = [];
  child.stdout?.on("data", () => {
    output.update({ phase: "pages", done: 0, unit: "steps", note: "building Homeward's pages" });
  });
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on("line", (line) => {
      words = [...words, line].slice(-LAST_WORDS);
    });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const status = await exited(child);
  await closed;
  if (status !== 0)
    throw new HomewardError("ENVIRONMENT", "Homeward's pages could not be built", { hint: words.join("\n") });
}

/** Opens the file in the user's browser and returns what did; null if there is no screen or nothing to open it with. */
async function openPage(page: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const hasScreen = Boolean(env["DISPLAY"]) || Boolean(env["WAYLAND_DISPLAY"]);
  const opener = hasScreen ? await findProgram(OPENERS, env["PATH"] ?? "") : undefined;
  if (opener === undefined) return null;
  await start(opener, [page], { detached: true, stdio: ["ignore", "ignore", "ignore"] });
  return opener;
}

export function uiCommand(): CommandEntry {
  return {
    command: newCommand(
      "ui",
      "Opens Homeward's pages in a browser.",
      [
        ["homeward ui", "in the browser of this computer"],
        ["homeward ui --no-open", "only print the link, e.g. for another browser"],
        ["ssh -L 7410:127.0.0.1:7410 home homeward ui --no-open --port 7410", "the pages of another computer"],
      ],
      "The link works once and for five minutes. The service serves the pages on 127.0.0.1 only, from the first time that " +
        "they are asked for until they have not been used for a day.",
      ["CONFLICT"],
    )
      .option("--no-open", "do not open a browser")
      .option("--port <port>", "listen on this port if it does not listen yet (default: any)", wholeNumber(1, 65_535)),
    body: async (invocation, command) => {
      const { open, port } = command.opts<{ open: boolean; port?: number }>();
      await buildPages(invocation);
      const link = await callService(invocation, "ui", port === undefined ? {} : { port });
      const opener = open ? await openPage(link.page, invocation.surroundings.env) : null;
      invocation.output.result({ ...link, opener }, ({ url }) =>
        opener === null ? `Open this link; it works once, for five minutes:\n  ${url}` : `Opened Homeward's pages with ${opener}.`,
      );
    },
  };
}
