import { cp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { delay, withTimeout } from "../../common/abort.ts";
import { run } from "../../common/spawn.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { adoptMachine, qemuVersion, startMachine, syncFiles, type Machine } from "../../vm/machine-process.ts";
import { startedWith } from "../../vm/process-identity.ts";
import { TinyWorkspace, type, waitForShell, type SavedState } from "./vm-tiny-guest.ts";

let tiny: TinyWorkspace;
/** The tiny guest at its prompt. */
let atPrompt: SavedState;
/** Milliseconds since 1970. */
let atPromptMs: number;

beforeAll(async () => {
  tiny = await TinyWorkspace.create();
  const files = await tiny.files("first");
  const machine = await tiny.start(files);
  await waitForShell(machine, files);
  atPrompt = await tiny.suspend(machine, files, "prompt");
  atPromptMs = Date.now();
  await machine.quit();
});

afterAll(async () => {
  await tiny.remove();
});

function whenGone(exited: Promise<void>): Promise<void> {
  return withTimeout(exited, 5000, "QEMU's end");
}

describe("suspend and resume", () => {
  test("a suspended machine changes nothing more, can be taken back, and goes on", async () => {
    const [machine, files] = await tiny.resume("back", atPrompt);
    expect(await machine.status()).toBe("paused");
    await machine.cont();
    expect(await machine.status()).toBe("running");
    const device = join(tiny.dir, "back.device");
    await machine.saveDeviceState(device);
    expect(await machine.status()).toBe("postmigrate");
    await syncFiles([device, files.ramPath]);
    expect((await stat(device)).mode & 0o777).toBe(0o600);
    const ram = await readFile(files.ramPath);
    await expect(machine.saveDeviceState(device)).rejects.toMatchObject({ code: "CONFLICT" });
    await delay(500);
    expect(ram.equals(await readFile(files.ramPath))).toBe(true);
    expect(await readdir(join(files.runDir, "qemu"))).not.toContain("state.sock");

    const before = await waitForShell(machine, files);
    await machine.cont();
    await type(machine, "ls -a\n");
    await waitForShell(machine, files, before.y);
    await machine.quit();
  });

  test("a state that was loaded and not run is the same state, bit for bit", async () => {
    const [machine, files] = await tiny.resume("same", atPrompt);
    await machine.saveDeviceState(join(tiny.dir, "same.device"));
    expect((await readFile(files.ramPath)).equals(await readFile(atPrompt.ram))).toBe(true);
    await machine.quit();
    expect((await readFile(files.ramPath)).equals(await readFile(atPrompt.ram))).toBe(true);
    const disk = files.diskLayers[0] ?? "";
    expect((await readFile(disk)).equals(await readFile(atPrompt.disk))).toBe(true);
  });

  test("the disk of a suspended machine can be read, and the machine still goes on", async () => {
    const [machine, files] = await tiny.resume("disk", atPrompt);
    await machine.cont();
    await type(machine, "cp /bin/busybox /root/b\nsync\n");
    await expect.poll(() => machine.blockWriteBytes(), { timeout: 20_000 }).toBeGreaterThan(500_000);
    await expect(openDisk(files.diskLayers, { writable: false, runDir: files.runDir })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await machine.saveDeviceState(join(tiny.dir, "disk.device"));
    // A persistent bitmap in an export makes QEMU abort when it saves its state: there is neither.
    for (const node of (await machine.qmp.execute("query-named-block-nodes")) as { "dirty-bitmaps"?: unknown[] }[])
      expect(node["dirty-bitmaps"] ?? []).toEqual([]);
    expect(await machine.qmp.execute("query-block-exports")).toEqual([]);
    const disk = await openDisk(files.diskLayers, { writable: false, runDir: files.runDir });
    let blocks = 0;
    for await (const extent of disk.allocated()) blocks += extent.count;
    await disk.close();
    expect(blocks).toBeGreaterThan(100);
    await machine.cont();
    expect(await machine.status()).toBe("running");
    await machine.quit();
  });

  test("saving that is stopped leaves no file, and the machine can be saved again", async () => {
    const [machine] = await tiny.resume("stopped", atPrompt);
    await machine.cont();
    const device = join(tiny.dir, "stopped.device");
    const controller = new AbortController();
    const saving = machine.saveDeviceState(device, controller.signal);
    machine.on("stop", () => {
      controller.abort();
    });
    await expect(saving).rejects.toMatchObject({ code: "CANCELLED" });
    expect((await readdir(tiny.dir)).filter((name) => name.startsWith("stopped.device"))).toEqual([]);
    await machine.cont();
    await machine.saveDeviceState(device);
    expect((await stat(device)).size).toBeGreaterThan(100_000);
    await machine.quit();
  });

  test("a damaged state is refused in QEMU's words and QEMU is gone", async () => {
    const damaged = join(tiny.dir, "damaged.device");
    await cp(atPrompt.device, damaged);
    await truncate(damaged, 50_000);
    const files = await tiny.files("damaged", { incoming: true });
    await cp(atPrompt.ram, files.ramPath);
    const machine = await tiny.start(files);
    const loading = machine.loadDeviceState(damaged);
    await expect(loading).rejects.toMatchObject({
      code: "GUEST",
      message: expect.stringMatching(/load of migration failed/) as string,
    });
    await whenGone(machine.exited);
  });
});

describe("QEMU's life", () => {
  test("it outlives the client, is found again, and its violent end is noticed", async () => {
    const [machine, files] = await tiny.resume("adopted", atPrompt);
    machine.disconnect();
    await expect(machine.status()).rejects.toThrow();
    const again = await adoptMachine(files.runDir);
    if (again === null) throw new Error("not found");
    tiny.own(again);
    expect(again.pid).toBe(machine.pid);
    await again.cont();
    expect(await again.status()).toBe("running");
    const asking = again.qmp.execute("human-monitor-command", { "command-line": "info version" });
    process.kill(again.pid, "SIGKILL");
    await asking.catch(() => undefined);
    await whenGone(again.exited);
    await expect(again.status()).rejects.toMatchObject({ code: "GUEST" });
    expect(await readdir(files.runDir)).toContain("qemu.pid");
    expect(await adoptMachine(files.runDir)).toBeNull();
    expect((await readdir(files.runDir)).filter((name) => /sock|pid/.test(name))).toEqual([]);
  });

  test("it outlives the process that started it", async () => {
    const files = await tiny.files("orphan");
    const module = new URL("../../vm/machine-process.ts", import.meta.url).href;
    const script = `
      const { startMachine } = await import(${JSON.stringify(module)});
      await startMachine(${JSON.stringify(tiny.definition)}, ${JSON.stringify(files)});
      process.kill(process.pid, "SIGKILL");`;
    await expect(run(process.execPath, ["--input-type=module", "-e", script])).rejects.toThrow("SIGKILL");
    const machine = await adoptMachine(files.runDir);
    if (machine === null) throw new Error("not found");
    tiny.own(machine);
    expect(await machine.status()).toBe("running");
    await machine.quit();
    await whenGone(machine.exited);
    expect(await readdir(files.runDir)).not.toContain("qmp.sock");
  });

  test("it is found when its starter was killed before it could write its pid file, and ended", async () => {
    const files = await tiny.files("unfinished");
    const module = new URL("../../vm/machine-process.ts", import.meta.url).href;
    const script = `
      const { readFileSync } = await import("node:fs");
      const { startMachine } = await import(${JSON.stringify(module)});
      void startMachine(${JSON.stringify(tiny.definition)}, ${JSON.stringify({ ...files, network: "blocked" })});
      const children = \`/proc/self/task/\${process.pid}/children\`;
      const look = () => (readFileSync(children, "utf8") === "" ? setImmediate(look) : process.kill(process.pid, "SIGKILL"));
      look();`;
    await expect(run(process.execPath, ["--input-type=module", "-e", script])).rejects.toThrow("SIGKILL");
    const pid = join(files.runDir, "qemu.pid");
    const machine = await adoptMachine(files.runDir);
    // On a slow day it may have come so far.
    if (machine !== null) await machine.quit();
    expect(await startedWith("-pidfile", pid)).toEqual([]);
    expect(await adoptMachine(files.runDir)).toBeNull();
  });

  test("a pid file of another process is not believed", async () => {
    const files = await tiny.files("impostor");
    await writeFile(join(files.runDir, "qemu.pid"), `${process.pid}\n`);
    expect(await adoptMachine(files.runDir)).toBeNull();
  });

  test("a second start for the same run folder is refused, also at the same moment", async () => {
    const files = await tiny.files("twice", { incoming: true });
    await cp(atPrompt.ram, files.ramPath);
    const results = await Promise.allSettled([tiny.start(files), tiny.start(files)]);
    const started = results.filter((result) => result.status === "fulfilled");
    const refused = results.filter((result) => result.status === "rejected");
    expect(started).toHaveLength(1);
    expect(refused[0]?.reason).toMatchObject({ code: "CONFLICT" });
    await expect(startMachine(tiny.definition, files)).rejects.toMatchObject({ code: "CONFLICT" });
    const machine = started[0]?.value;
    expect(await machine?.status()).toBe("inmigrate");
    await machine?.quit();
  });

  test("a disk in use elsewhere is refused", async () => {
    const [machine, files] = await tiny.resume("owner", atPrompt);
    await machine.cont();
    const other = await tiny.files("other", { diskLayers: files.diskLayers });
    await expect(tiny.start(other)).rejects.toMatchObject({ code: "CONFLICT" });
    await machine.quit();
  });

  test("QEMU that does not come up is quoted", async () => {
    const files = await tiny.files("broken");
    const definition = { ...tiny.definition, cpuModel: "NoSuchModel" };
    await expect(startMachine(definition, files)).rejects.toMatchObject({
      code: "GUEST",
      message: expect.stringContaining("NoSuchModel") as string,
    });
    expect(await adoptMachine(files.runDir)).toBeNull();
  });

  test("a state for another QEMU version is refused", async () => {
    const files = await tiny.files("version", { incoming: true });
    await cp(atPrompt.ram, files.ramPath);
    const definition = { ...tiny.definition, qemuVersion: "1.0" };
    await expect(startMachine(definition, files)).rejects.toMatchObject({ code: "INCOMPATIBLE" });
    expect(await adoptMachine(files.runDir)).toBeNull();
  });

  test("a start that is stopped leaves no QEMU", async () => {
    const files = await tiny.files("cancelled");
    const controller = new AbortController();
    const starting = startMachine(tiny.definition, files, controller.signal);
    setTimeout(() => {
      controller.abort();
    }, 30);
    await expect(starting).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await adoptMachine(files.runDir)).toBeNull();
  });

  test("RAM that holds a state is not booted over, and has to have the right size", async () => {
    const files = await tiny.files("ram");
    await cp(atPrompt.ram, files.ramPath);
    await expect(tiny.start(files)).rejects.toMatchObject({ code: "CONFLICT" });
    await truncate(files.ramPath, 4096);
    await expect(tiny.start({ ...files, incoming: true })).rejects.toMatchObject({ code: "DAMAGED" });
    await rm(files.ramPath);
    await expect(tiny.start({ ...files, incoming: true })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("the RAM of a fresh boot is for this user only", async () => {
    const files = await tiny.files("private");
    const machine = await tiny.start(files);
    expect((await stat(files.ramPath)).mode & 0o777).toBe(0o600);
    await machine.quit();
  });

  test("the version is known", async () => {
    expect(await qemuVersion()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe("power", () => {
  test("resets and shutdowns tell who asked, and a graceful stop shuts the guest down", async () => {
    const [machine, files] = await tiny.resume("power", atPrompt);
    const events: string[] = [];
    machine.on("reset", (guest) => events.push(`reset by ${guest ? "guest" : "host"}`));
    machine.on("shutdown", (guest) => events.push(`shutdown by ${guest ? "guest" : "host"}`));
    await machine.cont();
    await type(machine, "reboot -f\n");
    await expect.poll(() => events[0], { timeout: 20_000 }).toBe("reset by guest");
    // Linux tries several ways to reset a PC, so QEMU may tell of one reboot twice.
    await machine.reset();
    await expect.poll(() => events.at(-1)).toBe("reset by host");
    await waitForShell(machine, files);
    await machine.stopGracefully(20_000);
    expect(events.at(-1)).toBe("shutdown by guest");
    await whenGone(machine.exited);
  });

  test("a guest that ignores the power button is stopped all the same", async () => {
    const [machine] = await tiny.resume("stubborn", atPrompt);
    await machine.cont();
    await type(machine, "killall acpid\n");
    const start = performance.now();
    await machine.stopGracefully(700);
    expect(performance.now() - start).toBeLessThan(10_000);
    await whenGone(machine.exited);
  });
});

/** What the machine's real-time clock shows, in milliseconds since 1970. */
async function realTime(machine: Machine): Promise<number> {
  const answer = await machine.qmp.execute("qom-get", { path: "/machine", property: "rtc-time" });
  const { tm_year, tm_mon, tm_mday, tm_hour, tm_min, tm_sec } = answer as Record<string, number>;
  return Date.UTC((tm_year ?? 0) + 1900, tm_mon ?? 0, tm_mday, tm_hour, tm_min, tm_sec);
}

describe("a twin", () => {
  test("has the host's time like any machine that goes on, and stays when it was switched off", async () => {
    await delay(Math.max(0, atPromptMs + 6000 - Date.now()));
    const [moved] = await tiny.resume("moved", atPrompt);
    await moved.cont();
    expect(Math.abs((await realTime(moved)) - Date.now())).toBeLessThan(2000);
    await moved.quit();

    const [twin, files] = await tiny.resume("twin", atPrompt, { afterShutdown: "stay", network: "blocked" });
    await twin.cont();
    expect(Math.abs((await realTime(twin)) - Date.now())).toBeLessThan(2000);
    await type(twin, "poweroff -f\n");
    await expect.poll(() => twin.status(), { timeout: 20_000 }).toBe("shutdown");
    await twin.reset();
    await twin.cont();
    await waitForShell(twin, files);
    await twin.kill();
    await whenGone(twin.exited);
  });
});
