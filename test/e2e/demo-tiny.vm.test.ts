import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exited, start } from "../../common/spawn.ts";
import { demoReportSchema } from "../../demo/report.ts";

const DEMO = join(import.meta.dirname, "..", "..", "demo", "main.ts");
const SESSION = {
  name: "short",
  description: "One line.",
  guest: "tiny",
  steps: [{ type: "seq 1 20000 | gzip >numbers.gz; ls -l\n" }, { wait_still: 1 }],
};

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-e2e-demo-"));
  await writeFile(join(dir, "session.json"), JSON.stringify(SESSION));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

interface Ran {
  readonly status: number | NodeJS.Signals;
  /** Lines of stdout, every one of them JSON. */
  readonly lines: Record<string, unknown>[];
}

/** Runs the demo; a line for which `interrupt` is true makes it stop as by Ctrl-C. */
async function demo(out: string, interrupt?: (line: Record<string, unknown>) => boolean): Promise<Ran> {
  const session = join(dir, "session.json");
  const args = [DEMO, "--json", "--guest", "tiny", "--link", "10mbit,10ms", "--session", session, "--out", out];
  const child = await start(process.execPath, args, { env: { ...process.env, TMPDIR: dir } });
  const lines: Record<string, unknown>[] = [];
  if (child.stdout !== null)
    for await (const text of createInterface({ input: child.stdout })) {
      const line = JSON.parse(text) as Record<string, unknown>;
      lines.push(line);
      if (interrupt?.(line) === true) child.kill("SIGINT");
    }
  return { status: await exited(child), lines };
}

/** Command lines of living processes that have to do with this test's folder. */
async function leftProcesses(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const commandLine = await readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => "");
    if (commandLine.includes(dir)) found.push(commandLine.replaceAll("\0", " ").slice(0, 200));
  }
  return found;
}

describe("the demo on the tiny guest", () => {
  it("moves the machine there and back, verified, and prints the report last", async () => {
    const { status, lines } = await demo(join(dir, "out"));
    expect(lines.filter(({ type }) => type === "error")).toEqual([]);
    expect(status).toBe(0);
    const report = demoReportSchema.parse(lines.at(-1));
    expect(report.verified).toBe(true);
    expect(report.back.verified).toBe(true);
    expect(report.owner).toBe("home");
    expect(report.root_source).toBe(report.root_destination);
    expect(report.events).toBeGreaterThan(50);
    for (const picture of ["before", "after", "before-and-after", "back"])
      expect((await stat(join(dir, "out", `${picture}.png`))).size).toBeGreaterThan(500);
    expect(await leftProcesses()).toEqual([]);
    expect((await readdir(dir)).sort()).toEqual(["out", "session.json"]);
  });

  it.each(["use it: session", "migrate to home: replay"])("leaves nothing behind when stopped in %j", async (phase) => {
    const { status, lines } = await demo(join(dir, "none"), (line) => line["phase"] === phase);
    expect(status).toBe(130);
    expect(lines.at(-1)).toMatchObject({ type: "error", code: "CANCELLED" });
    expect(await leftProcesses()).toEqual([]);
    expect((await readdir(dir)).filter((name) => name.startsWith("hw-demo-"))).toEqual([]);
  });
});
