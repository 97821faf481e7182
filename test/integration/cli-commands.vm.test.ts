import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_STATUS } from "../../common/errors.ts";
import { exited, run, start, type ChildProcess } from "../../common/spawn.ts";
import { buildGuest } from "../../guests/build.ts";
import { checkLine } from "../unit/cli-json-schemas.ts";
import { FakeService } from "../unit/control-fake-service.ts";

const CLI = join(import.meta.dirname, "..", "..", "cli", "main.ts");

interface Ran {
  readonly status: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves once stderr has this text. */
  readonly says: (text: string) => Promise<void>;
  readonly ended: Promise<Ran>;
}

async function begin(stateDir: string, args: readonly string[]): Promise<Running> {
  const child = await start(process.execPath, [CLI, ...args], { env: { ...process.env, HOMEWARD_STATE: stateDir } });
  const output = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  const closed = new Promise((resolve) => child.once("close", resolve));
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.stderr.includes(text)) resolve();
      };
      child.stderr?.on("data", look);
      child.once("close", () => {
        reject(new Error(`it ended without saying "${text}": ${output.stderr}`));
      });
      look();
    });
  const ended = closed.then(async () => ({ status: await exited(child), ...output }));
  return { child, output, says, ended };
}

let dir: string;
let state: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-cli-"));
  state = join(dir, "state");
});
afterAll(async () => {
  await homeward("shutdown", "--machines", "kill");
  await rm(dir, { recursive: true, force: true });
});

async function homeward(...args: string[]): Promise<Ran> {
  return (await begin(state, args)).ended;
}

/** Runs a command with --json, checks every line, and returns the last one. */
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await homeward(...args, "--json");
  expect(stderr).toBe("");
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of lines) checkLine(args[0] ?? "", line);
  return lines.at(-1) ?? {};
}

describe("the command line with a real service", () => {
  it("starts it in the background, once", async () => {
    expect(await json("doctor")).toMatchObject({ ok: true });
    const { pid } = await json("serve", "--name", "laptop", "--peer", `home=${join(dir, "home.sock")}`, "--detach");
    expect(await json("status")).toMatchObject({ pid, host: "laptop", workspaces: [] });
    const again = await homeward("serve", "--name", "laptop", "--detach");
    expect(again).toMatchObject({ status: EXIT_STATUS.CONFLICT, stdout: "" });
    expect(again.stderr).toContain(`a service with process id ${String(pid)} has this state folder open`);
    expect(await homeward("serve", "--name", "laptop")).toMatchObject({ status: EXIT_STATUS.CONFLICT, stderr: again.stderr });
  });

  it("tells the doctor that it runs and that another host does not answer", async () => {
    const { ok, checks } = (await json("doctor")) as { ok: boolean; checks: { name: string; severity: string }[] };
    expect(ok).toBe(true);
    expect(checks.find(({ name }) => name === "service")).toMatchObject({ severity: "ok" });
    expect(checks.find(({ name }) => name === "host home")).toMatchObject({ severity: "warning" });
  });

  it("takes a workspace through its life, and says each time what to do next", async () => {
    const guest = await buildGuest("tiny");
    expect(await json("create", "work", "--from", guest.dir)).toMatchObject({ state: "off", generation: null, lastMove: null });
    expect((await homeward("status")).stdout).toMatch(/^ {2}next +homeward start work$/m);
    expect(await json("start", "work")).toMatchObject({ state: "running", base: null });
    expect((await homeward("status")).stdout).toMatch(/^ {2}next +homeward console work --open, then homeward seal work/m);
    expect(await json("console", "work")).toMatchObject({ viewer: null });
    expect(await json("migrate", "work", "home")).toMatchObject({ type: "error", code: "CONFLICT" });
    const { root } = await json("seal", "work");
    const text = (await homeward("status")).stdout;
    expect(text).toContain(`generation  ${String(root).slice(0, 12)}, made just now; no other host is known to hold it`);
    expect(text).toMatch(/^ {2}recorded .*recording$/m);
    expect(text).toMatch(/^ {2}next +homeward migrate work home; before the first time: /m);
    expect(await json("log", "work")).toMatchObject({ root });
    expect(await json("migrate", "work", "home")).toMatchObject({ type: "error", code: "PEER" });
    expect((await homeward("report", "--list")).stdout).toMatch(/to home +overlay +cancelled +home cannot be reached$/m);
    expect(await json("suspend", "work")).toMatchObject({ state: "suspended", console: null });
    expect(await json("power", "work", "off")).toMatchObject({ state: "off" });
  });

  it("completes what there is, in a real bash", async () => {
    const bin = join(dir, "bin");
    await run("mkdir", [bin]);
    await symlink(CLI, join(bin, "homeward"));
    const script = `source <(homeward completion bash) || exit 1
      try() { COMP_WORDS=(homeward "$@"); COMP_CWORD=$#; COMPREPLY=(); _homeward; echo "\${COMPREPLY[*]}"; }
      try mig
      try start ""
      try migrate work ""
      try migrate --hold --level 3 w
      try migrate --mode ""
      try migrate --mode = ov
      try --state "$HOMEWARD_STATE" suspend ""
      try --state /nonexistent suspend ""
      try power work re
      try seal work --ex
      try serve --listen ${join(dir, "st")}
      try completion ""
      complete -p homeward`;
    const { stdout, stderr } = await run("bash", ["--norc", "-c", script], {
      env: {
        HOMEWARD_STATE: state,
        PATH: [bin, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
      },
    });
    expect(stderr).toBe("");
    expect(stdout.toString().trimEnd().split("\n")).toEqual([
      "migrate",
      "work",
      "home",
      "work",
      "auto replay overlay",
      "overlay",
      "work",
      "",
      "reset",
      "--export",
      state,
      "bash zsh fish",
      "complete -F _homeward homeward",
    ]);
  });

  it("ends it", async () => {
    expect(await homeward("delete", "work", "--yes")).toMatchObject({ status: 0 });
    expect(await json("shutdown")).toEqual({ type: "result" });
    expect(await homeward("status")).toMatchObject({ status: EXIT_STATUS.ENVIRONMENT, stdout: "" });
  });

  it("runs it in the foreground until Ctrl-C", async () => {
    const serve = await begin(state, ["serve", "--name", "laptop"]);
    await serve.says("Ctrl-C stops the service");
    expect(serve.output.stdout).toMatch(/^Serving .*state \(process \d+\)\.\n$/);
    serve.child.kill("SIGINT");
    expect(await serve.ended).toMatchObject({ status: 0 });
  });
});

describe("Ctrl-C", () => {
  it("waits for the service, and a second one does not", async () => {
    let cancelled = false;
    let onCalled = (): void => undefined;
    const called = new Promise<void>((resolve) => {
      onCalled = resolve;
    });
    const service = await FakeService.start({
      start: (_params, { signal }) =>
        new Promise(() => {
          signal.addEventListener("abort", () => (cancelled = true));
          onCalled();
        }),
    });
    const client = await begin(service.dir, ["start", "work"]);
    try {
      await called;
      client.child.kill("SIGINT");
      await client.says("Stopping. Ctrl-C again leaves at once; the service then stops it all the same.");
      expect(client.child.exitCode).toBeNull();
      client.child.kill("SIGINT");
      expect(await client.ended).toMatchObject({ status: EXIT_STATUS.CANCELLED, stdout: "" });
      expect(cancelled).toBe(true);
    } finally {
      await service.stop();
    }
  });
});
