import { createHash } from "node:crypto";
import { mkdtemp, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run as program } from "../../common/spawn.ts";
import { EXPORT_FILES } from "../../service/store/paths.ts";
import { TestHost, WORKSPACE, eventually, failure, makeTiny, promptShown, removeHosts, sealAtPrompt, type } from "./migration-hosts.ts";

const MB = 1_000_000;
const FILE_BYTES = 12 * MB;

let dir: string;
let host: TestHost;

/** Leaves so many bytes free on the disk of the service and its machine. Returns what was taken. */
async function leave(bytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(host.files);
  const length = bavail * bsize - bytes;
  await writeFile(join(host.files, "filler"), Buffer.alloc(length));
  return length;
}

/** Tells the guest to write a file whose every line is `word`, and to sync it. */
async function writeInGuest(name: string, word: string): Promise<void> {
  const console = await host.console();
  await type(console, `yes ${word}|head -c ${String(FILE_BYTES)} >${name};sync;echo ok >${name}.ok;sync\n`);
  console.close();
}

function expected(word: string): Buffer {
  return Buffer.alloc(FILE_BYTES, `${word}\n`);
}

const stalled = (): Promise<void> =>
  eventually("it stands still", async () => (await host.workspace()).stalled === "disk-full", 120_000);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-e2e-"));
  host = new TestHost(dir, "near", "paired");
  await host.start({ roomBytes: 800 * MB });
  await makeTiny(host);
  await sealAtPrompt(host);
});

afterAll(async () => {
  // What is left of the disk goes with the last process in it.
  const { pid } = await host.workspace();
  if (pid !== null) await host.call("power", { workspace: WORKSPACE, action: "off" });
  await removeHosts(dir, host);
});

it("a machine whose disk has no room stands still, says so, and goes on with every byte, also when it was suspended in between", async () => {
  const filled = await leave(4 * MB);
  await writeInGuest("a", "first");
  await stalled();
  expect(await host.workspace()).toMatchObject({ state: "running", note: expect.stringMatching(/disk is full/) as string });
  for (const work of [
    () => host.call("start", { workspace: WORKSPACE }),
    () => host.call("power", { workspace: WORKSPACE, action: "powerdown" }),
    () => host.call("suspend", { workspace: WORKSPACE }),
  ])
    expect(await failure(work())).toMatchObject({ code: "NO_ROOM" });
  await stalled();

  // The next service finds it as it is, as soon as there is room for the service itself.
  const { pid } = await host.workspace();
  await host.kill();
  await expect(host.start({ diskOf: pid ?? 0 })).rejects.toThrow(/ended while it started/);
  await truncate(`/proc/${String(pid)}/root${host.state}/filler`, filled - MB);
  await host.start({ diskOf: pid ?? 0 });
  expect(await host.workspace()).toMatchObject({ stalled: "disk-full", pid });

  // There is room: it goes on by itself.
  await rm(join(host.files, "filler"));
  await eventually("it goes on", async () => (await host.workspace()).stalled === null);
  const console = await host.console();
  await promptShown(console);
  console.close();

  // Suspended while it stands still, with the write that found no room.
  await leave(4 * MB);
  await writeInGuest("b", "second");
  await stalled();
  await rm(join(host.files, "filler"));
  await host.call("suspend", { workspace: WORKSPACE });
  await host.call("start", { workspace: WORKSPACE });
  const again = await host.console();
  await promptShown(again);
  again.close();

  const copy = join(dir, "export");
  await host.call("seal", { workspace: WORKSPACE, export: copy });
  const raw = join(dir, "disk.raw");
  await program("qemu-img", ["convert", "-O", "raw", join(copy, EXPORT_FILES.disk), raw]);
  // 1: the journal was replayed, which is what it is there for.
  await program("sh", ["-c", 'e2fsck -fy "$1" >/dev/null || [ $? = 1 ]', "sh", raw]);
  for (const [name, word] of [["a", "first"], ["b", "second"]] as const) {
    const written = join(dir, name);
    await program("debugfs", ["-R", `dump /root/${name} ${written}`, raw]);
    const { stdout } = await program("md5sum", [written]);
    expect(stdout.toString().slice(0, 32), name).toBe(createHash("md5").update(expected(word)).digest("hex"));
  }
});
