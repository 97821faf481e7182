import { mkdtemp, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import type { HomewardError } from "../../common/errors.ts";
import { exited, run, start } from "../../common/spawn.ts";
import type { ControlParams } from "../../protocol/control.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { biosDisk } from "../images/bootable.ts";
import { TestService } from "./service-process.ts";

const GIB = 2 ** 30;

let dir: string;
let service: TestService;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-import-"));
  await biosDisk(join(dir, "disk.raw"));
  service = await TestService.create("alpha");
  await service.start();
});
afterAll(async () => {
  await service.remove();
  await rm(dir, { recursive: true });
});

function image(name: string): string {
  return join(dir, name);
}

/** The disk in another format. */
async function converted(name: string, format: string, ...options: string[]): Promise<string> {
  await run("qemu-img", ["convert", "-O", format, ...options, image("disk.raw"), image(name)]);
  return image(name);
}

/** Waits for GRUB, which turns the screen blue once it has read its own partition. */
async function turnsBlue(socket: string | null): Promise<void> {
  const viewer = await RfbClient.connect(socket ?? "", { wakeEveryMs: 200 });
  const deadline = performance.now() + 90_000;
  try {
    for (;;) {
      const { pixels } = viewer.frame;
      const middle = pixels.length / 2;
      if (pixels.length > 0 && (pixels[middle + 2] ?? 0) > 120 && (pixels[middle] ?? 255) < 40) return;
      if (performance.now() > deadline) throw new Error("GRUB has not started");
      await delay(100);
    }
  } finally {
    viewer.close();
  }
}

async function importAs(workspace: string, params: Omit<ControlParams<"import">, "workspace">): Promise<void> {
  const made = await service.call("import", { workspace, accelerator: "tcg", memoryBytes: GIB / 4, ...params });
  expect(made.workspace).toMatchObject({ name: workspace, state: "off", diskBytes: made.plan.diskBytes });
}

async function refusal(path: string, params: Partial<ControlParams<"import">> = {}): Promise<HomewardError> {
  return service.call("import", { workspace: "refused", accelerator: "tcg", image: path, ...params }).then(
    () => Promise.reject(new Error("it was not refused")),
    (error: unknown) => error as HomewardError,
  );
}

/** What an import that did not come to its end leaves behind. */
async function leftovers(): Promise<string[]> {
  const folders = ["incoming", "workspaces", "layers"].map((name) => readdir(join(service.stateDir, name)));
  return (await Promise.all(folders)).flat();
}

describe("a disk image", () => {
  it.each<[format: string, bus: "ide" | "sata" | "virtio", cpus: number, options: string[]]>([
    ["raw", "ide", 1, []],
    ["vmdk", "sata", 2, ["-o", "subformat=streamOptimized"]],
    ["vdi", "virtio", 4, []],
  ])("in the format %s starts from %s with %i CPUs", async (format, diskBus, cpus, options) => {
    const path = format === "raw" ? image("disk.raw") : await converted(`disk.${format}`, format, ...options);
    await importAs(format, { image: path, diskBus, cpus });
    const { console } = await service.call("start", { workspace: format });
    await turnsBlue(console);
    await service.call("power", { workspace: format, action: "off" });
    await service.call("delete", { workspace: format });
  });

  it("of 100 GB that is nearly empty costs nothing, also when it is sealed with 4 GiB of memory", async () => {
    await run("cp", ["--sparse=always", image("disk.raw"), image("large.raw")]);
    await truncate(image("large.raw"), 100e9);
    const begun = performance.now();
    await importAs("large", { image: image("large.raw"), memoryBytes: 4 * GIB, cpus: 4, diskBus: "sata" });
    const { console } = await service.call("start", { workspace: "large" });
    await turnsBlue(console);
    const { root } = await service.call("seal", { workspace: "large" });
    process.stdout.write(`100 GB imported, started and sealed in ${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
    await service.call("power", { workspace: "large", action: "off" });
    const { stdout } = await run("du", ["-sm", join(service.stateDir)]);
    expect(Number.parseInt(stdout.toString())).toBeLessThan(100);
    expect((await stat(join(service.stateDir, "generations", root, "ram"))).size).toBe(4 * GIB);
    await service.call("delete", { workspace: "large" });
  });
});

describe("what would not work later is refused now, and leaves nothing", () => {
  let before: string[];
  beforeAll(async () => {
    before = await leftovers();
  });

  it("an image that is cut off", async () => {
    const path = await converted("cut.qcow2", "qcow2");
    await truncate(path, Math.floor((await stat(path)).size / 2));
    expect(await refusal(path)).toMatchObject({ code: "DAMAGED", message: `${path} is damaged or cut off` });
    await truncate(path, 200);
    expect(await refusal(path)).toMatchObject({ code: "DAMAGED", message: expect.stringMatching(/cut off|cannot be read/) as string });
    await run("cp", [image("disk.raw"), image("cut.raw")]);
    await truncate(image("cut.raw"), 2 ** 20);
    expect(await refusal(image("cut.raw"))).toMatchObject({ code: "DAMAGED", message: expect.stringContaining("is cut off") as string });
  });

  it("an image that a running QEMU has open", async () => {
    const path = await converted("open.qcow2", "qcow2");
    const args = ["-S", "-nodefaults", "-display", "none", "-drive", `file=${path},format=qcow2,if=virtio`, "-monitor", "stdio"];
    const child = await start("qemu-system-x86_64", args, { stdio: ["pipe", "pipe", "ignore"] });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    const error = await refusal(path);
    child.kill();
    await exited(child);
    expect(error).toMatchObject({ code: "CONFLICT", hint: "Shut that machine down first." });
  });

  it("a layer, an unknown CPU, an empty disk, no image at all", async () => {
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", image("layer.qcow2")]);
    expect(await refusal(image("layer.qcow2"))).toMatchObject({ code: "USAGE", message: expect.stringMatching(/only a layer/) as string });
    const cpuModel = "Skylake-Server";
    expect(await refusal(image("disk.raw"), { cpuModel })).toMatchObject({ code: "INCOMPATIBLE", message: expect.stringMatching(/Skylake-Server/) as string });
    expect(await refusal(image("disk.raw"), { cpuModel: "host" })).toMatchObject({ code: "USAGE", message: expect.stringMatching(/portable/) as string });
    await run("qemu-img", ["create", "-q", "-f", "vdi", image("empty.vdi"), "10M"]);
    expect(await refusal(image("empty.vdi"))).toMatchObject({ code: "USAGE", message: expect.stringMatching(/no boot sector/) as string });
    const uefi = { firmware: "uefi", uefiVariables: image("disk.raw") } as const;
    expect(await refusal(image("disk.raw"), uefi)).toMatchObject({ code: "USAGE", message: expect.stringContaining("variables") as string });
    expect(await refusal(image("gone"))).toMatchObject({ code: "NOT_FOUND" });
  });

  it("an import that is stopped half-way", async () => {
    await run("cp", [image("disk.raw"), image("long.raw")]);
    const long = await open(image("long.raw"), "r+");
    for (let at = 4; at < 300; at++) await long.write(Buffer.alloc(2 ** 20, at), 0, 2 ** 20, at * 2 ** 20);
    await long.close();
    const controller = new AbortController();
    const importing = service.call("import", { workspace: "long", image: image("long.raw") }, controller.signal);
    for (;;) {
      const incoming = await readdir(join(service.stateDir, "incoming"), { recursive: true });
      if (incoming.some((name) => name.endsWith("disk.qcow2"))) break;
      await delay(5);
    }
    controller.abort();
    await expect(importing).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("a description whose firmware's variables cannot be had goes on with new ones, and says so", async () => {
    const libvirt = `<domain type="kvm"><os firmware="efi"><type>hvm</type><nvram>/nowhere/x.fd</nvram></os><devices>
      <disk type="file"><source file="${image("disk.raw")}"/><target bus="sata"/></disk></devices></domain>`;
    const { plan } = await service.call("import", { workspace: "x", libvirt, accelerator: "tcg", dryRun: true });
    expect(plan).toMatchObject({ image: image("disk.raw"), diskBus: "sata", firmware: "uefi", uefiVariables: null });
    expect(plan.notes.join()).toContain("/nowhere/x.fd cannot be read");
  });

  it("a rehearsal makes nothing, and neither did any of these", async () => {
    const { plan, workspace } = await service.call("import", { workspace: "x", image: image("disk.raw"), dryRun: true });
    expect(workspace).toBeNull();
    expect(plan).toMatchObject({ firmware: "bios", format: "raw", diskBytes: 2 ** 21 + 4096 });
    // What was deleted before may be tidied away only now.
    expect(before).toEqual(expect.arrayContaining(await leftovers()));
    expect((await service.call("status", {})).workspaces).toEqual([]);
  });
});
