import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildGuest } from "../../guests/build.ts";
import { TestService, TinyConsole } from "./service-process.ts";

const work = { workspace: "work" };

describe("a service with one workspace", () => {
  let service: TestService;

  beforeAll(async () => {
    const { dir } = await buildGuest("tiny");
    service = await TestService.create("alpha");
    await service.start();
    await service.call("create", { ...work, from: dir });
  });
  afterAll(async () => {
    await service.remove();
  });

  it("starts, seals, records, suspends and resumes it, and adopts it after being killed", async () => {
    const started = await service.call("start", work);
    expect(started).toMatchObject({ state: "running", base: null, log: null, owner: "here" });
    const booting = await TinyConsole.connect(started.console);
    await booting.prompt();
    booting.close();

    const sealed = await service.call("seal", work);
    expect(sealed.workspace).toMatchObject({ state: "running", base: sealed.root });
    const viewer = await TinyConsole.connect(sealed.workspace.console);
    const before = await viewer.prompt();
    await viewer.type("echo homeward > here\n");
    await viewer.prompt(before);
    await viewer.type("cat here\n");
    const last = await viewer.prompt(before + 1);
    const log = await service.call("log", { ...work, showText: true });
    expect(log.root).toBe(sealed.root);
    // Who does not ask for it does not get to see what was typed.
    const masked = (await service.call("log", work)).entries.map(({ text }) => text).join(" ");
    expect(masked).toMatch(/typed \d+ characters and 1 other key/);
    expect(masked).not.toContain("homeward");
    const lines = log.entries.map(({ text }) => text);
    expect(lines.filter((text) => text.startsWith("typed ")).join(" ")).toContain("echo homeward");
    expect(lines.some((text) => text.startsWith("checkpoint "))).toBe(true);
    const luma = viewer.rfb.frame.lumaGrid();
    viewer.close();

    const suspended = await service.call("suspend", work);
    expect(suspended).toMatchObject({ state: "suspended", pid: null, console: null });
    const resumed = await service.call("start", work);
    expect(resumed).toMatchObject({ state: "running", base: sealed.root });
    const again = await TinyConsole.connect(resumed.console);
    expect(await again.prompt()).toBe(last);
    expect(Buffer.from(again.rfb.frame.lumaGrid()).equals(Buffer.from(luma))).toBe(true);
    again.close();
    // Asking for the log writes it out; what was recorded in the last moment before a kill may be lost.
    await service.call("log", work);

    expect(await service.signal("SIGKILL")).toBe("SIGKILL");
    await service.start();
    const adopted = await service.workspace("work");
    expect(adopted).toMatchObject({ state: "running", pid: resumed.pid, note: null });
    expect(adopted.log?.recording).toBe(true);
    const third = await TinyConsole.connect(adopted.console);
    await third.type("pwd\n");
    await third.prompt(last);
    third.close();
    const whole = (await service.call("log", { ...work, limit: 2000 })).entries.map(({ text }) => text);
    expect(whole.filter((text) => /^(suspend|resume|record-resume)$/.test(text))).toEqual(["suspend", "resume", "record-resume"]);
  });

  it("keeps the machine when it is asked to end, and takes it over again", async () => {
    const { pid } = await service.workspace("work");
    expect(await service.signal("SIGTERM")).toBe(0);
    await service.start("--keep-logs", "0");
    expect(await service.workspace("work")).toMatchObject({ state: "running", pid });
  });

  it("runs on after a suspend that was cancelled", async () => {
    const { pid } = await service.workspace("work");
    const controller = new AbortController();
    const suspend = service.call("suspend", work, controller.signal);
    controller.abort();
    await expect(suspend).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await service.workspace("work")).toMatchObject({ state: "running", pid });
    const viewer = await TinyConsole.connect((await service.workspace("work")).console);
    const line = await viewer.prompt();
    await viewer.type("\n");
    await viewer.prompt(line);
    viewer.close();
  });

  it("seals again with only what changed, and can be told apart from the first time", async () => {
    const { base } = await service.workspace("work");
    const { root } = await service.call("seal", work);
    expect(root).not.toBe(base);
    const manifest: unknown = JSON.parse(
      await readFile(join(service.stateDir, "generations", root, "generation.json"), "utf8"),
    );
    expect(manifest).toMatchObject({ root, parent: base });
    // The log that led here is to be kept no longer: its key is gone.
    const keys = async (): Promise<string[]> => readdir(join(service.stateDir, "keys"));
    await expect.poll(async () => (await keys()).some((name) => name.endsWith(String(base))), { timeout: 20_000 }).toBe(false);
    expect((await service.call("log", { ...work, ...(base === null ? {} : { root: base }) })).events).toBe(0);
  });

  it("notices that QEMU died, and boots from the disk that is left", async () => {
    const { pid } = await service.workspace("work");
    if (pid === null) throw new Error("no QEMU");
    process.kill(pid, "SIGKILL");
    const off = await service.reaches("work", "off");
    expect(off.note).toContain("unexpectedly");
    const started = await service.call("start", work);
    expect(started).toMatchObject({ state: "running", note: null });
    const viewer = await TinyConsole.connect(started.console);
    const line = await viewer.prompt();
    await viewer.type("poweroff -f\n");
    await service.reaches("work", "off");
    expect(line).toBeGreaterThan(0);
    viewer.close();
  });

  it("is off after the guest turned itself off, and can be deleted", async () => {
    expect(await service.workspace("work")).toMatchObject({ state: "off", note: null, pid: null });
    await service.call("delete", work);
    await expect(service.call("start", work)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await service.call("status", {})).workspaces).toEqual([]);
  });
});
