import { afterEach, describe, expect, it } from "vitest";
import type { CommandShape } from "../../cli/completion/grammar.ts";
import { bashCompletion } from "../../cli/completion/bash.ts";
import { fishCompletion } from "../../cli/completion/fish.ts";
import { zshCompletion } from "../../cli/completion/zsh.ts";
import { EXIT_STATUS } from "../../common/errors.ts";
import { MIGRATION_SUMMARY, SERVICE_STATUS } from "./cli-reports.ts";
import { runCli } from "./cli-surroundings.ts";
import { FakeService } from "./control-fake-service.ts";

let service: FakeService | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

/** A small program with one of everything; descriptions have what a shell must not take for its own. */
const COMMANDS: readonly CommandShape[] = [
  {
    name: "migrate",
    summary: "Moves a workspace: to another host's place",
    options: [
      { name: "--mode", description: "one of [two]", value: { kind: "words", words: ["replay", "overlay"] } },
      { name: "--level", description: "don't: \\ choose", value: { kind: "anything" } },
      { name: "--export", description: "where to", value: { kind: "folders" } },
      { name: "--hold", description: "leave it", value: null },
    ],
    arguments: [
      { kind: "names", of: "workspaces" },
      { kind: "names", of: "hosts" },
    ],
  },
  { name: "demo", summary: "Shows it", options: [{ name: "--session", description: "a file", value: { kind: "files" } }], arguments: [] },
];

describe("scripts", () => {
  // Beyond this, bash is asked in test/integration/cli-commands.vm.test.ts; zsh 5.9 and fish 3.6 have taken these files.
  it.each([
    ["bash", bashCompletion],
    ["zsh", zshCompletion],
    ["fish", fishCompletion],
  ] as const)("for %s", async (shell, script) => {
    await expect(script(COMMANDS)).toMatchFileSnapshot(`golden/completion.${shell}`);
  });

  it.each(["bash", "zsh", "fish"])("for %s knows every command and option", async (shell) => {
    const { status, stdout } = await runCli(["completion", shell]);
    expect(status).toBe(0);
    for (const word of ["serve", "migrate", "completion", "hold", "machines", "export", "replay overlay", "keep suspend kill"])
      expect(stdout).toContain(word);
    expect(stdout).not.toContain("undefined");
  });

  it("are there for three shells", async () => {
    const { status, stderr } = await runCli(["completion", "tcsh"]);
    expect(status).toBe(EXIT_STATUS.USAGE);
    expect(stderr).toContain("bash, zsh, fish");
  });
});

describe("names", () => {
  it.each([
    ["workspaces", "work\n"],
    ["hosts", "home\n"],
    ["migrations", `${MIGRATION_SUMMARY.id}\n`],
  ])("of %s come from the service", async (kind, expected) => {
    service = await FakeService.start({
      status: () => Promise.resolve(SERVICE_STATUS),
      report: () => Promise.resolve({ migrations: [MIGRATION_SUMMARY, { ...MIGRATION_SUMMARY, id: "$(reboot)" }], report: null }),
    });
    expect(await runCli(["complete", kind], { stateDir: service.dir })).toMatchObject({ status: 0, stdout: expected, stderr: "" });
  });

  it("are none, silently, without a service", async () => {
    expect(await runCli(["complete", "workspaces"])).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  it("are none, soon, when the service does not answer", async () => {
    service = await FakeService.start({ status: () => new Promise(() => undefined) });
    expect(await runCli(["complete", "workspaces"], { stateDir: service.dir })).toMatchObject({ status: 0, stdout: "" });
  });
});
