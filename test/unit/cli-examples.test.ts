import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildProgram } from "../../cli/program.ts";
import { runCli } from "./cli-surroundings.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** Parses a command line as far as commander does, without doing anything. @throws what is wrong with it */
async function parse(line: string): Promise<string> {
  let name = "";
  const quiet = (): void => undefined;
  const program = buildProgram(
    { stdout: quiet, stderr: { write: quiet }, env: {}, signal: new AbortController().signal },
    (_body, command) => {
      name = command.name();
      return Promise.resolve();
    },
  );
  await program.parseAsync(line.split(/\s+/).slice(1), { from: "user" });
  return name;
}

/** Command lines in a text: what begins with "homeward", up to the remark, pipe or redirection after it. */
function commandLines(text: string): string[] {
  return [...text.matchAll(/(?:^ {0,2}|&& |\(|")(homeward [a-z]+(?: (?!homeward )[^\s|>)("#,;&]+)*)/gm)].map(([, line = ""]) => line).filter(
    (line) => !line.endsWith("--help"),
  );
}

async function help(...args: string[]): Promise<string> {
  return (await runCli([...args, "--help"])).stdout;
}

describe("examples", () => {
  it("in the help are right command lines", async () => {
    const overview = await help();
    const commands = [...overview.matchAll(/^ {2}([a-z]+)(?: [<[]| {2,}[A-Z])/gm)].map(([, name = ""]) => name);
    const texts = [overview];
    for (const name of commands) if (name !== "help") texts.push(await help(name));
    const lines = texts.flatMap(commandLines);
    expect(lines.length).toBeGreaterThan(40);
    for (const line of lines) await expect(parse(line), line).resolves.toBe(line.split(" ")[1]);
  });

  it.each(["README.md", join("docs", "cli.md")])("in %s are, too", async (file) => {
    const text = await readFile(join(ROOT, file), "utf8");
    const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block = ""]) => block).join("\n");
    const lines = commandLines(blocks);
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) await expect(parse(line), line).resolves.toBe(line.split(" ")[1]);
  });
});
