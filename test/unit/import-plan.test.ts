import { describe, expect, test } from "vitest";
import { controlMethods } from "../../protocol/control.ts";
import { readLibvirt } from "../../service/import/libvirt.ts";
import { planImport, type ImportRequest } from "../../service/import/plan.ts";
import type { SourceImage } from "../../vm/source/source-image.ts";

const boot = { partitions: "mbr", startsByBios: true, startsByUefi: false, isWindows: false } as const;
const image: SourceImage = {
  path: "/i.qcow2",
  format: "qcow2",
  allocatedBytes: 1000,
  virtualBytes: 2 ** 30 + 512,
  snapshots: 0,
  boot,
};

function request(given: Partial<ImportRequest> = {}): ImportRequest {
  return { ...controlMethods.import.params.parse({ workspace: "w", image: "/i.qcow2" }), ...given };
}

const libvirt = readLibvirt(
  `<domain type="kvm"><name>x</name><memory unit="MiB">1025</memory><vcpu>4</vcpu>
  <os firmware="efi"><type arch="x86_64">hvm</type></os><cpu><model>Westmere</model></cpu>
  <devices><disk type="file"><source file="/l.qcow2"/><target bus="ide"/></disk></devices></domain>`,
  { image: false, diskBus: false, nic: false, cpuModel: false },
);

test("what nobody says is usual; sizes become whole blocks", () => {
  const plan = planImport(request(), image, null);
  expect(plan).toMatchObject({
    image: "/i.qcow2",
    diskBytes: 2 ** 30 + 4096,
    memoryBytes: 2 ** 31,
    cpuModel: "Nehalem",
    firmware: "bios",
    diskBus: "virtio",
    nic: "virtio",
    uefiVariables: null,
    origins: { memoryBytes: "usual", firmware: "image", diskBus: "usual", mac: "usual" },
    notes: [],
  });
  expect(plan.mac).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
});

test("the user counts more than libvirt, and libvirt more than the image", () => {
  const fromLibvirt = planImport(request(), image, libvirt);
  expect(fromLibvirt).toMatchObject({ memoryBytes: 1026 * 2 ** 20, cpus: 4, cpuModel: "Westmere", diskBus: "ide", nic: "none" });
  expect(fromLibvirt).toMatchObject({ firmware: "uefi", origins: { firmware: "libvirt", cpus: "libvirt", mac: "usual" } });
  const given = { memoryBytes: 2 ** 28, cpus: 1, cpuModel: "qemu64", firmware: "bios", diskBus: "sata", nic: "e1000" } as const;
  const plan = planImport(request(given), image, libvirt);
  expect(plan).toMatchObject(given);
  expect(plan.origins).toMatchObject({ memoryBytes: "given", firmware: "given", nic: "given" });
});

describe("guesses from the disk", () => {
  test.each([
    ["UEFI only", { startsByBios: false, startsByUefi: true }, "uefi", []],
    ["both", { startsByUefi: true }, "bios", ["the disk can also start with UEFI: --firmware uefi"]],
  ] as const)("%s", (_, found, firmware, notes) => {
    expect(planImport(request(), { ...image, boot: { ...boot, ...found } }, null)).toMatchObject({ firmware, notes });
  });

  test("Windows gets what it has drivers for", () => {
    const plan = planImport(request(), { ...image, boot: { ...boot, isWindows: true } }, null);
    expect(plan).toMatchObject({ diskBus: "sata", nic: "e1000", origins: { diskBus: "image" } });
    expect(plan.notes.join()).toContain("Windows");
  });

  test("a disk that cannot start is refused, unless the user knows better", () => {
    const dead = { ...image, boot: { ...boot, startsByBios: false } };
    expect(() => planImport(request(), dead, null)).toThrow(
      expect.objectContaining({ code: "USAGE", hint: expect.stringContaining("--firmware") as string }),
    );
    expect(planImport(request({ firmware: "uefi" }), dead, null).firmware).toBe("uefi");
  });
});

test("variables are for UEFI only", () => {
  expect(() => planImport(request({ uefiVariables: "/v" }), image, null)).toThrow(/no UEFI variables/);
  expect(planImport(request({ uefiVariables: "/v", firmware: "uefi" }), image, null).uefiVariables).toBe("/v");
});

test("snapshots are left behind, and that is said", () => {
  expect(planImport(request(), { ...image, snapshots: 2 }, null).notes).toEqual(["2 snapshots inside the image are left behind"]);
});
