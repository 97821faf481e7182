import { afterEach, describe, expect, it } from "vitest";
import { abortReason } from "../../common/abort.ts";
import { EXIT_STATUS, HomewardError } from "../../common/errors.ts";
import type { ControlHandlers } from "../../service/control/connection.ts";
import { EXPLAINED, MIGRATION_REPORT, MIGRATION_SUMMARY, SERVICE_STATUS, WORKSPACE_STATUS } from "./cli-reports.ts";
import { runCli, type Ran, type RunOptions } from "./cli-surroundings.ts";
import { FakeService } from "./control-fake-service.ts";

let service: FakeService | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runCli(args, { ...(service === undefined ? {} : { stateDir: service.dir }), ...options });
}

async function serve(handlers: Partial<ControlHandlers>): Promise<void> {
  service = await FakeService.start(handlers);
}

describe("help", () => {
  it("names every command and every exit status", async () => {
    const { status, stdout } = await run(["--help"]);
    expect(status).toBe(0);
    for (const command of "serve create start suspend console seal migrate status log report doctor demo".split(" "))
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    for (const [code, exit] of Object.entries(EXIT_STATUS))
      expect(stdout).toMatch(new RegExp(`^ +${exit}  ${code} `, "m"));
  });

  it("gives examples with each command", async () => {
    const { stdout: overview } = await run(["--help"]);
    const commands = [...overview.matchAll(/^  ([a-z]+)(?: [<[]| {2,}[A-Z])/gm)]
      .map((match) => match[1] ?? "")
      .filter((name) => name !== "help");
    expect(commands.length).toBeGreaterThanOrEqual(15);
    for (const command of commands) {
      const { status, stdout } = await run([command, "--help"]);
      expect(status).toBe(0);
      expect(stdout).toMatch(new RegExp(`^Examples:\\n {2}.*homeward ${command}\\b`, "m"));
      expect(stdout).toMatch(/^Exit status:\n +0 +success\n(?: +\d+ {2}[A-Z_]+ .*\n)+/m);
    }
  });

  it("is shown, as a usage error, when no command is given", async () => {
    const { status, stdout } = await run([]);
    expect(status).toBe(EXIT_STATUS.USAGE);
    expect(stdout).toContain("Usage: homeward");
  });
});

describe("usage errors", () => {
  it.each([
    [["migrat", "work", "home"], /unknown command 'migrat'\n.*Did you mean migrate\?.*homeward --help/],
    [["status", "--jsn"], /unknown option '--jsn'\n.*Did you mean --json\?.*homeward status --help/],
    [["--state", "/x"], /no command was given/],
    [["migrate", "work"], /missing required argument 'host'/],
    [["migrate", "work", "home", "--mode", "magic"], /one of auto, replay, overlay/],
    [["migrate", "work", "home", "--level", "21"], /from 1 to 20/],
    [["power", "work", "explode"], /powerdown, reset, off/],
    [["status", "--frobnicate"], /unknown option/],
    [["serve", "--peer", "home"], /NAME=SOCKET/],
    [["serve", "--listen", "a:1", "--listen", "b:2"], /one socket and one HOST:PORT/],
    [["serve", "--listen", "a:99999"], /not an address/],
    [["pair", "ID", "home:7411"], /--name/],
    [["pair", "ID", "home:7411", "--name", "home", "--may", "all"], /both, push, take, none/],
    [["serve", "--name", "My Laptop"], /lower-case/],
    [["create", "work"], /--guest or --from/],
    [["delete", "work"], /cannot be undone/],
  ])("%j", async (args, message) => {
    const { status, stdout, stderr } = await run(args);
    expect(status).toBe(EXIT_STATUS.USAGE);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
  });

  it("are JSON on stdout with --json", async () => {
    const { status, stderr, json } = await run(["power", "work", "explode", "--json"]);
    expect(status).toBe(EXIT_STATUS.USAGE);
    expect(stderr).toBe("");
    expect(json).toHaveLength(1);
    expect(json[0]).toMatchObject({ type: "error", code: "USAGE" });
    expect(Object.keys(json[0] ?? {})).toEqual(["type", "code", "message", "hint", "data"]);
  });
});

describe("without a service", () => {
  it("says how to start one", async () => {
    const { status, stderr } = await run(["status"]);
    expect(status).toBe(EXIT_STATUS.ENVIRONMENT);
    expect(stderr).toContain("no Homeward service is running for /nonexistent/state");
    expect(stderr).toContain('"homeward serve"');
  });

  it("repeats a state folder that was given", async () => {
    const { stderr } = await run(["status", "--state", "/nonexistent/other"]);
    expect(stderr).toContain('"homeward serve --state /nonexistent/other"');
  });
});

describe("with a service", () => {
  it("prints a result for people and for programs", async () => {
    await serve({ status: () => Promise.resolve(SERVICE_STATUS) });
    const text = await run(["status"]);
    expect(text.status).toBe(0);
    expect(text.stdout).toContain("work: running here");
    const { json } = await run(["status", "--json"]);
    expect(json).toEqual([{ type: "result", ...SERVICE_STATUS }]);
  });

  it("finds a migration by how its id begins, and explains one without a report", async () => {
    const asked: unknown[] = [];
    await serve({
      report: ({ id }) => {
        asked.push(id);
        const failed = { ...MIGRATION_SUMMARY, id: "6a", state: "cancelled", error: "home is gone" };
        return Promise.resolve({ migrations: [MIGRATION_SUMMARY, failed], report: id === "6a" ? null : MIGRATION_REPORT });
      },
    });
    expect((await run(["report", "5f0c"])).stdout).toContain("Moved work from laptop to home");
    expect(asked).toEqual([undefined, MIGRATION_SUMMARY.id]);
    expect((await run(["report", "6"])).stdout).toMatch(/to home by replay: cancelled\.\n[^]*Error: home is gone/);
    expect((await run(["report", "--list"])).stdout).toContain("5f0c6f5e");
    expect(await run(["report", "7"])).toMatchObject({ status: EXIT_STATUS.NOT_FOUND });
  });

  it("explains the migration that is meant: by default the newest one that this host sent", async () => {
    const asked: unknown[] = [];
    const came = { ...MIGRATION_SUMMARY, id: "6a", role: "destination" as const };
    await serve({
      report: () => Promise.resolve({ migrations: [came, MIGRATION_SUMMARY], report: null }),
      explain: ({ id }) => {
        asked.push(id);
        return Promise.resolve(EXPLAINED);
      },
    });
    expect((await run(["explain"])).stdout).toContain("kernel objects");
    await run(["explain", "6"]);
    expect(asked).toEqual([MIGRATION_SUMMARY.id, "6a"]);
    expect(await run(["explain", "7"])).toMatchObject({ status: EXIT_STATUS.NOT_FOUND });
    expect(await run(["explain", "--svg", "/nowhere/at/all.svg"])).toMatchObject({ status: EXIT_STATUS.NOT_FOUND });
  });

  it("passes on what the user gave", async () => {
    const seen: unknown[] = [];
    await serve({
      migrate: (params) => {
        seen.push(params);
        return Promise.resolve(MIGRATION_REPORT);
      },
    });
    await run(["migrate", "work", "home"]);
    await run(["migrate", "work", "home", "--metered"]);
    await run(["migrate", "work", "home", "--mode", "overlay", "--hold", "--level", "7"]);
    expect(seen).toEqual([
      { workspace: "work", peer: "home", mode: "auto", metered: false, hold: false, detached: false },
      { workspace: "work", peer: "home", mode: "auto", metered: true, hold: false, detached: false },
      { workspace: "work", peer: "home", mode: "overlay", metered: false, hold: true, detached: false, level: 7 },
    ]);
  });

  it("prints progress before the result", async () => {
    await serve({
      migrate: (_params, { progress }) => {
        progress.update({ phase: "replay", done: 3, total: 10, unit: "steps" });
        return Promise.resolve(MIGRATION_REPORT);
      },
    });
    const { json } = await run(["migrate", "work", "home", "--json"]);
    expect(json.map(({ type }) => type)).toEqual(["progress", "result"]);
    expect(json[0]).toMatchObject({ phase: "replay", done: 3, total: 10, unit: "steps" });
    const text = await run(["migrate", "work", "home"], { isTTY: true });
    expect(text.stderr).toContain("replay: 3 of 10 steps");
    expect(text.stdout).toContain("Moved work from laptop to home");
  });

  it("prints the service's error with its hint, and exits with its status", async () => {
    const refuse = (): Promise<never> =>
      Promise.reject(new HomewardError("INCOMPATIBLE", "home has QEMU 9.0", { hint: "Install QEMU 7.2 there." }));
    await serve({ migrate: refuse });
    const text = await run(["migrate", "work", "home"]);
    expect(text.status).toBe(EXIT_STATUS.INCOMPATIBLE);
    expect(text.stderr).toBe("homeward: home has QEMU 9.0\n  Install QEMU 7.2 there.\n");
    const { status, json } = await run(["migrate", "work", "home", "--json"]);
    expect(status).toBe(EXIT_STATUS.INCOMPATIBLE);
    expect(json).toEqual([
      { type: "error", code: "INCOMPATIBLE", message: "home has QEMU 9.0", hint: "Install QEMU 7.2 there.", data: {} },
    ]);
  });

  it("on Ctrl-C cancels in the service and waits until it has stopped", async () => {
    const user = new AbortController();
    const steps: string[] = [];
    await serve({
      migrate: async (_params, { signal }) => {
        user.abort(new HomewardError("CANCELLED", "stopped"));
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => {
            steps.push("cancelled");
            setTimeout(resolve, 20);
          });
        });
        steps.push("put in order");
        throw abortReason(signal);
      },
    });
    const { status, stderr } = await run(["migrate", "work", "home"], { signal: user.signal });
    expect(status).toBe(EXIT_STATUS.CANCELLED);
    expect(stderr).toContain("Stopping. Ctrl-C again leaves at once; the service then stops it all the same.");
    expect(steps).toEqual(["cancelled", "put in order"]);
  });

  it("on Ctrl-C says when it was too late, and shows what came of it", async () => {
    const user = new AbortController();
    await serve({
      delete: (_params, { signal }) => {
        user.abort(new HomewardError("CANCELLED", "stopped"));
        return new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            resolve({});
          });
        });
      },
    });
    const { status, stdout, stderr } = await run(["delete", "work", "--yes"], { signal: user.signal });
    expect([status, stdout]).toEqual([0, "work is removed from this host.\n"]);
    expect(stderr).toBe("Stopping. Ctrl-C again leaves at once; the service then finishes it.\nIt was too late to stop:\n");
  });

  it("does not let a guest or a peer steer the terminal", async () => {
    await serve({ start: () => Promise.resolve({ ...WORKSPACE_STATUS, note: "\u001b[2Jgone\nforged line" }) });
    const { stdout } = await run(["start", "work"]);
    expect(stdout).toMatch(/^ {2}note +\[2Jgone forged line$/m);
  });

  it("prints only the console's path when asked to", async () => {
    await serve({ console: () => Promise.resolve({ path: "/run/x/console.sock", direct: "/run/x/vnc.sock" }) });
    expect((await run(["console", "work", "--path"])).stdout).toBe("/run/x/console.sock\n");
    expect((await run(["console", "work", "--direct"])).stdout).toBe("/run/x/vnc.sock\n");
    expect((await run(["console", "work"])).stdout).toContain("xtigervncviewer /run/x/console.sock");
  });

  it("says which package has a viewer when none is installed", async () => {
    await serve({ console: () => Promise.resolve({ path: "/run/x/console.sock", direct: "/run/x/vnc.sock" }) });
    const { status, stderr } = await run(["console", "work", "--open"]);
    expect(status).toBe(EXIT_STATUS.ENVIRONMENT);
    expect(stderr).toContain("tigervnc-viewer");
  });
});
