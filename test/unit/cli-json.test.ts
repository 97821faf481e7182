import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_MEANINGS } from "../../cli/exit-status.ts";
import { EXIT_STATUS, HomewardError, type ErrorCode } from "../../common/errors.ts";
import type { ControlHandlers } from "../../service/control/connection.ts";
import { checkLine, RESULTS } from "./cli-json-schemas.ts";
import { EXPLAINED, HOSTS, MIGRATION_REPORT, MIGRATION_SUMMARY, PAIRED_HOST, SERVICE_STATUS, WORKSPACE_STATUS } from "./cli-reports.ts";
import { runCli } from "./cli-surroundings.ts";
import { FakeService } from "./control-fake-service.ts";

const ROOT = "ab".repeat(32);
const workspace = (): Promise<typeof WORKSPACE_STATUS> => Promise.resolve(WORKSPACE_STATUS);

const HANDLERS: Partial<ControlHandlers> = {
  status: () => Promise.resolve(SERVICE_STATUS),
  create: workspace,
  start: workspace,
  suspend: workspace,
  power: () => Promise.reject(new HomewardError("TIMEOUT", "work did not shut down", { hint: "Pull the plug.", data: { ms: 1 } })),
  record: () => Promise.resolve({ ...WORKSPACE_STATUS, recordingPaused: true }),
  console: () => Promise.resolve({ path: "/run/x/console.sock", direct: "/run/x/vnc.sock" }),
  seal: (_params, { progress }) => {
    progress.update({ phase: "hash", done: 3, total: 4, unit: "blocks", note: "memory" });
    return Promise.resolve({ root: ROOT, workspace: WORKSPACE_STATUS });
  },
  migrate: (_params, { progress }) => {
    progress.update({ phase: "replay", done: 1000, total: 4000, unit: "ms" });
    return Promise.resolve(MIGRATION_REPORT);
  },
  push: ({ workspace, peer }) =>
    Promise.resolve({ workspace, peer, root: ROOT, held: false, bytes: 612_000_000, landedBytes: 0, linkBytes: 201_000_000, seconds: 402 }),
  check: ({ workspace, peer }) =>
    Promise.resolve({ workspace, peer, missing: [] }),
  log: () =>
    Promise.resolve({
      root: ROOT,
      segments: 1,
      bytes: 5260,
      events: 1019,
      durationMs: 723_000,
      entries: [{ atMs: 12, text: 'typed "ls"' }],
    }),
  report: () => Promise.resolve({ migrations: [MIGRATION_SUMMARY], report: MIGRATION_REPORT }),
  explain: () => Promise.resolve(EXPLAINED),
  hosts: () => Promise.resolve(HOSTS),
  pair: () => Promise.resolve(PAIRED_HOST),
  unpair: () => Promise.resolve(PAIRED_HOST),
  gc: ({ dryRun }) =>
    Promise.resolve({
      dryRun,
      removed: [{ kind: "generation", name: ROOT, bytes: 512_000_000 }],
      merged: [{ workspace: "work", layers: 9 }],
      kept: [{ root: ROOT, bytes: 130_000_000, why: ["work is based on it"] }],
      postponed: false,
    }),
  takeover: ({ confirmed }) =>
    Promise.resolve({
      owner: "laptop",
      since: "2026-01-02T03:04:05.000Z",
      ownerSeenAt: null,
      workspace: confirmed ? WORKSPACE_STATUS : null,
    }),
  delete: () => Promise.resolve({}),
  shutdown: () => Promise.resolve({}),
};

/** Those that start programs are run in test/integration/cli-commands.vm.test.ts. */
const COMMAND_LINES = [
  "status",
  "create work --from /tmp/guest",
  "start work",
  "console work",
  "suspend work",
  "power work powerdown",
  "record pause work",
  "seal work",
  "migrate work home",
  "push work home --limit 500k",
  "check work home --for push",
  "takeover work --yes",
  "log work",
  "report",
  "explain",
  "hosts",
  "pair ABC home:7411 --name home --workspaces work",
  "unpair home",
  "gc --dry-run",
  "delete work --yes",
  "delete work",
  "shutdown",
  "migrate work",
];

let service: FakeService;
beforeAll(async () => {
  service = await FakeService.start(HANDLERS);
});
afterAll(async () => {
  await service.stop();
});

describe("--json", () => {
  it("prints for each command what is written down, and nothing else", async () => {
    let golden = "";
    for (const line of COMMAND_LINES) {
      const { status, stdout, stderr } = await runCli([...line.split(" "), "--json"], { stateDir: service.dir });
      expect(stderr, line).toBe("");
      golden += `$ homeward ${line} --json    # exit status ${status}\n${stdout}`;
      const printed = stdout.trimEnd().split("\n").map((text) => JSON.parse(text) as Record<string, unknown>);
      for (const object of printed) checkLine(line.split(" ")[0] ?? "", object);
      expect(printed.slice(0, -1).every(({ type }) => type === "progress"), line).toBe(true);
      expect(printed.at(-1)?.["type"], line).toBe(status === 0 ? "result" : "error");
    }
    // What programs rely on: think of them before this file is made anew.
    await expect(golden).toMatchFileSnapshot("golden/cli-json.txt");
  });

  it("is written down for every command", async () => {
    const { stdout } = await runCli(["--help"]);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?: [<[]| {2,}[A-Z])/gm)].map(([, name = ""]) => name);
    const others = ["help", "demo"];
    expect(commands.filter((name) => !others.includes(name)).sort()).toEqual(Object.keys(RESULTS).sort());
  });

  it("does the same for completion, without a service", async () => {
    const { status, json } = await runCli(["completion", "bash", "--json"]);
    expect([status, json.length]).toEqual([0, 1]);
    checkLine("completion", json[0] ?? {});
  });

  it("prints an error when no service runs", async () => {
    const { status, json, stderr } = await runCli(["status", "--json"]);
    expect([status, stderr]).toEqual([EXIT_STATUS.ENVIRONMENT, ""]);
    expect(json).toHaveLength(1);
    checkLine("status", json[0] ?? {});
  });
});

describe("docs/cli.md", () => {
  it("lists every exit status as common/errors.ts has it", async () => {
    const text = await readFile(join(import.meta.dirname, "..", "..", "docs", "cli.md"), "utf8");
    const rows = [...text.matchAll(/^\| (\d+) \| `([A-Z_]+)` \| (.+?) \|/gm)].map(([, status, code, meaning]) => ({
      status: Number(status),
      code,
      meaning,
    }));
    const expected = (Object.keys(EXIT_STATUS) as ErrorCode[]).map((code) => ({
      status: EXIT_STATUS[code],
      code,
      meaning: EXIT_MEANINGS[code],
    }));
    expect(rows).toEqual(expected);
  });

  it("names the fields of every command's result", async () => {
    const text = await readFile(join(import.meta.dirname, "..", "..", "docs", "cli.md"), "utf8");
    for (const [command, schema] of Object.entries(RESULTS)) {
      const row = new RegExp(`^\\| (?:\`[a-z]+\`, )*\`${command}\`(?:, \`[a-z]+\`)* \\| (.*) \\|$`, "m").exec(text)?.[1];
      expect(row, command).toBeDefined();
      if (schema === RESULTS["start"]) continue;
      for (const field of Object.keys(schema.shape)) expect(row, `${command}: ${field}`).toContain(`\`${field}\``);
    }
    for (const field of Object.keys(RESULTS["start"]?.shape ?? {})) expect(text, field).toContain(`\n| \`${field}\` |`);
  });
});
