import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cpio } from "../../guests/cpio.ts";
import { makeInitrd } from "../../guests/initrd.ts";
import { moduleDependencies, modulesInLoadOrder } from "../../guests/modules.ts";

interface Member {
  readonly mode: number;
  readonly data: string;
}

/** Reads a newc archive back, by the format's description and not with the writer's code. */
function uncpio(archive: Buffer): Map<string, Member> {
  const members = new Map<string, Member>();
  let at = 0;
  for (;;) {
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number): number =>
      Number.parseInt(archive.toString("latin1", at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const name = archive.toString("utf8", at + 110, at + 110 + nameSize - 1);
    const dataAt = Math.ceil((at + 110 + nameSize) / 4) * 4;
    if (name === "TRAILER!!!") {
      expect(dataAt).toBe(archive.length);
      return members;
    }
    members.set(name, { mode, data: archive.toString("latin1", dataAt, dataAt + size) });
    at = Math.ceil((dataAt + size) / 4) * 4;
  }
}

describe("cpio", () => {
  it("keeps names, kinds, modes and contents of every length", () => {
    const entries = [0, 1, 2, 3, 4, 5].map((length) => ({
      path: `f${"x".repeat(length)}`,
      kind: "file" as const,
      mode: 0o644,
      data: Buffer.alloc(length, 97),
    }));
    const members = uncpio(cpio([{ path: "d", kind: "directory", mode: 0o755 }, ...entries]));
    expect(members.get("d")).toEqual({ mode: 0o040755, data: "" });
    for (const { path, data } of entries) expect(members.get(path)).toEqual({ mode: 0o100644, data: String(data) });
  });
});

const module = (depends: string): string => `\x7fELF\0license=GPL\0depends=${depends}\0name=x\0`;

describe("kernel modules", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "homeward-modules-"));
    await mkdir(join(dir, "6.1/kernel/net"), { recursive: true });
    const files = { "xhci-pci": "xhci-hcd,usbcore", "xhci-hcd": "usbcore", usbcore: "", "net/virtio_net": "usbcore" };
    for (const [name, depends] of Object.entries(files))
      await writeFile(join(dir, `6.1/kernel/${name}.ko`), module(depends));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  it("name what they need", () => {
    expect(moduleDependencies(Buffer.from(module("a,b-c")))).toEqual(["a", "b_c"]);
    expect(moduleDependencies(Buffer.from(module("")))).toEqual([]);
    expect(moduleDependencies(Buffer.from("no module at all"))).toEqual([]);
  });

  it("are loaded after what they need, each once, under either spelling of their name", async () => {
    const ordered = await modulesInLoadOrder(dir, ["xhci_pci", "virtio-net"]);
    expect(ordered.map(({ name }) => name)).toEqual(["usbcore", "xhci_hcd", "xhci_pci", "virtio_net"]);
  });

  it("that the kernel lacks are named", async () => {
    await expect(modulesInLoadOrder(dir, ["nvme"])).rejects.toThrow(/nvme/);
  });

  it("go into the initrd in this order, together with busybox and the first program", async () => {
    const ordered = await modulesInLoadOrder(dir, ["xhci_pci"]);
    const initrd = await makeInitrd(Buffer.from("busybox"), ordered);
    expect(await makeInitrd(Buffer.from("busybox"), ordered)).toEqual(initrd);
    const members = uncpio(zstdDecompressSync(initrd));
    expect(members.get("modules/order")?.data).toBe("usbcore.ko\nxhci_hcd.ko\nxhci_pci.ko\n");
    expect(members.get("modules/usbcore.ko")?.data).toBe(module(""));
    expect(members.get("bin/busybox")?.mode).toBe(0o100755);
    expect(members.get("init")?.mode).toBe(0o100755);
    expect(members.get("init")?.data).toMatch(/^#!\/bin\/busybox sh\n/);
  });
});
