import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { getPriority } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { delay } from "../../common/abort.ts";
import { unprivilegedId } from "../../vm/run-as.ts";
import { TinyWorkspace, type, waitForCursor, waitForShell, type SavedState } from "./vm-tiny-guest.ts";

let tiny: TinyWorkspace;
/** The tiny guest at its prompt. */
let atPrompt: SavedState;

beforeAll(async () => {
  tiny = await TinyWorkspace.create();
  const files = await tiny.files("first");
  const machine = await tiny.start(files);
  await waitForShell(machine, files);
  atPrompt = await tiny.suspend(machine, files, "prompt");
  await machine.quit();
});

afterAll(async () => {
  await tiny.remove();
});

describe("what QEMU can reach", () => {
  let server: Server;
  let port: number;
  let arrived = 0;

  beforeAll(async () => {
    server = createServer((socket) => {
      arrived++;
      socket.on("error", () => undefined);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  });

  afterAll(() => {
    server.close();
  });

  test("QEMU has no privilege, can get none, and keeps to its limits", async () => {
    const limits = { bytes: tiny.definition.memoryBytes + 3 * 2 ** 30, cpuSeconds: 3600 };
    for (const network of ["open", "with-host", "blocked"] as const) {
      const [machine] = await tiny.resume(`bound-${network}`, atPrompt, { network, limits });
      const status = await readFile(`/proc/${String(machine.pid)}/status`, "utf8");
      for (const field of ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"])
        expect(status).toContain(field);
      const found = await readFile(`/proc/${String(machine.pid)}/limits`, "utf8");
      expect(found).toMatch(new RegExp(`Max address space +${String(limits.bytes)} +${String(limits.bytes)} `));
      expect(found).toMatch(/Max cpu time +3600 +3600 /);
      expect(found).toMatch(/Max core file size +0 +0 /);
      expect(getPriority(machine.pid)).toBe(getPriority() + 5);
      await machine.quit();
    }
    // What it may not have it does not get.
    const tooLittle = { bytes: tiny.definition.memoryBytes + 64 * 2 ** 20, cpuSeconds: 3600 };
    await expect(tiny.resume("starved", atPrompt, { network: "blocked", limits: tooLittle })).rejects.toMatchObject({ code: "GUEST" });
  });

  test("root's QEMU is somebody else, who can open nothing of root's or of another machine's", async () => {
    // Who is no user here, and no root of this computer, has nothing to lose.
    if ((await unprivilegedId("/")) === null) return;
    const [other, otherFiles] = await tiny.resume("other-machine", atPrompt, { network: "blocked" });
    const ids = new Set<string>();
    for (const network of ["open", "with-host", "blocked"] as const) {
      const [machine, files] = await tiny.resume(`apart-${network}`, atPrompt, { network });
      const id = String(await unprivilegedId(files.runDir));
      ids.add(id);
      const status = await readFile(`/proc/${String(machine.pid)}/status`, "utf8");
      for (const field of ["Uid", "Gid"]) expect(status).toContain(`${field}:\t${[id, id, id, id].join("\t")}\n`);
      expect(status).toMatch(new RegExp(`^Groups:\t${id} *$`, "m"));
      const theirs = [otherFiles.ramPath, otherFiles.diskLayers[0] ?? "", join(otherFiles.runDir, "qemu.log")];
      for (const filename of ["/etc/shadow", "/root", files.diskLayers[0] ?? "", ...theirs])
        await expect(
          machine.qmp.execute("blockdev-add", { driver: "file", "node-name": "peek", filename, "read-only": true }),
        ).rejects.toThrow(/Permission denied/);
      for (const filename of [join(files.runDir, "new"), join(otherFiles.runDir, "new"), "/etc/new"])
        await expect(machine.qmp.execute("pmemsave", { val: 0, size: 4096, filename })).rejects.toThrow(/Permission denied/);
      // It runs, is saved, and leaves nothing, all the same.
      await machine.cont();
      await machine.saveDeviceState(join(tiny.dir, `apart-${network}.device`));
      await machine.quit();
      expect((await readdir(files.runDir)).filter((name) => /sock|pid/.test(name))).toEqual([]);
    }
    expect(ids.size).toBe(3);
    await other.quit();
  });

  test("one with the host in it reaches that, an open or a blocked one with the same state does not", async () => {
    const command = `nc 10.0.2.2 ${port}\n`;
    const [apart, apartFiles] = await tiny.resume("apart", atPrompt, { network: "open" });
    await apart.cont();
    const above = await waitForShell(apart, apartFiles);
    await type(apart, command);
    // It is told so, and comes back with a prompt.
    await waitForShell(apart, apartFiles, above.y);
    expect(arrived).toBe(0);
    await apart.quit();

    const [blocked, blockedFiles] = await tiny.resume("blocked", atPrompt, { network: "blocked" });
    await blocked.cont();
    const before = await waitForShell(blocked, blockedFiles);
    await type(blocked, command);
    await waitForCursor(blocked, blockedFiles, ({ y }) => y > before.y);
    await delay(3000);
    expect(arrived).toBe(0);
    expect(await blocked.networkConnections()).toBe(0);
    await blocked.quit();

    const [open] = await tiny.resume("open", atPrompt, { network: "with-host" });
    await open.cont();
    expect(await open.networkConnections()).toBe(0);
    await type(open, command);
    await expect.poll(() => arrived, { timeout: 20_000 }).toBe(1);
    expect(await open.networkConnections()).toBe(1);
    await open.quit();
  });
});
