import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { MigrationReport } from "../../protocol/report.ts";
import { uefiDisk } from "../images/bootable.ts";
import { TwoHosts, WORKSPACE, type TestHost, run, sees } from "./migration-hosts.ts";

/** A machine from an image that was not made here: UEFI firmware, GRUB, two CPUs, a partitioned disk. */
let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create(async (near, dir) => {
    const image = join(dir, "server.raw");
    await uefiDisk(image);
    const settings = { cpus: 2, memoryBytes: 2 ** 29, nic: "e1000", accelerator: "tcg" } as const;
    const { plan } = await near.call("import", { workspace: WORKSPACE, image, ...settings });
    expect(plan).toMatchObject({ firmware: "uefi", cpus: 2, origins: { firmware: "image", cpus: "given" } });
  });
});
afterAll(async () => {
  await hosts.end();
});

function variables(host: TestHost): Promise<Buffer> {
  return readFile(join(host.state, "workspaces", WORKSPACE, "uefi-variables"));
}

function expectSound(report: MigrationReport): void {
  const { blocks, bytes, phases } = report;
  const shipped = `${String(blocks.shipped)} of ${String(blocks.ram_dirty + blocks.disk_dirty)} dirty blocks`;
  process.stdout.write(
    `uefi, 2 CPUs: ${shipped}, ${String(bytes.total)} bytes (device state ${String(bytes.device)}), ` +
      `${String(phases.click_to_usable_s)} s\n`,
  );
  expect(report.verified).toBe(true);
  expect(report.root_destination).toBe(report.root_source);
  // The firmware and its variables are in the device state, and were in the generation's: they need not travel again.
  expect(bytes.device).toBeLessThan(100_000);
}

it("goes there and back with its firmware's variables, verified both times", async () => {
  const { near, far } = hosts;
  const template = await readFile("/usr/share/OVMF/OVMF_VARS_4M.fd");
  const before = await variables(near);
  expect(before.length).toBe(template.length);
  // The firmware has written down what it can start from.
  expect(before.equals(template)).toBe(false);

  const console = await near.console();
  const shown = await run(console, "seq 1 2000 > numbers; grep -c processor /proc/cpuinfo; ls /sys/firmware\n");
  console.close();
  const there = await near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "replay" });
  expectSound(there);
  expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
  const arrived = await far.console();
  await sees(arrived, shown);
  expect((await variables(far)).equals(before)).toBe(true);
  await run(arrived, "date > visited; sync\n");
  arrived.close();

  const back = await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "replay", hold: true });
  expectSound(back);
  expect(await near.workspace()).toMatchObject({ owner: "here", state: "suspended", base: back.root_source });
  await expect(variables(near)).rejects.toMatchObject({ code: "ENOENT" });
  // Turned off without ever having run here, it still knows what it is to start from.
  await near.call("power", { workspace: WORKSPACE, action: "off" });
  expect(await near.workspace()).toMatchObject({ state: "off", note: null });
  expect((await variables(near)).equals(before)).toBe(true);
});
