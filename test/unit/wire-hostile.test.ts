import { describe, expect, it } from "vitest";
import { decodeMessage } from "../../protocol/wire/messages.ts";
import { machine } from "./store-fixtures.ts";

const ROOT = "a".repeat(64);
const OFFER = {
  id: "123e4567-e89b-42d3-a456-426614174000",
  kind: "migration",
  workspace: "desk",
  mode: "replay",
  base: ROOT,
  machine,
  overlay_bytes: 1,
  device_bytes: 1,
  hold: false,
};
const MANIFEST = {
  format: 1,
  root: ROOT,
  machine,
  ramRoot: ROOT,
  diskRoot: ROOT,
  deviceSha256: ROOT,
  deviceBytes: 1,
  parent: ROOT,
  createdAt: "2026-01-02T03:04:05.000Z",
};
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** What another host could put in place of a machine's parts, to have this one's QEMU open or do something. */
const HOSTILE: readonly Record<string, unknown>[] = [
  { machineType: "pc-i440fx-7.2,firmware=/etc/shadow" },
  { machineType: "none" },
  { machineType: "-pc-i440fx-7.2" },
  { accelerator: "kvm,device=/etc/shadow" },
  { accelerator: "xen" },
  { cpuModel: "Nehalem,migratable=off" },
  { cpuModel: "-Nehalem" },
  { cpuModel: "help" + "\n" },
  { qemuVersion: "7.2/../../x" },
  { cpus: 65 },
  { cpus: 1.5 },
  { memoryBytes: 2 ** 41 },
  { memoryBytes: "128M" },
  { memoryBytes: -(2 ** 27) },
  { diskBytes: 2 ** 45 },
  { diskBytes: Number.MAX_SAFE_INTEGER + 1 },
  { mac: "52:54:00:12:34:56,romfile=/etc/shadow" },
  { kernel: "/etc/shadow" },
  { kernel: { sha256: "../../../../etc/shadow", bytes: 10 } },
  { kernel: { sha256: ROOT, bytes: 10, path: "/etc/shadow" } },
  { kernel: { sha256: ROOT, bytes: 2 ** 40 } },
  { initrd: ["/etc/shadow"] },
  { append: "quiet\u0000-drive" },
  { append: "x".repeat(2001) },
  { firmware: "/etc/shadow" },
  { firmware: "uefi", uefiVariables: "/etc/shadow" },
  { diskBus: "virtio,drive=x" },
  { nic: "user,hostfwd=tcp::22-:22" },
  { netdev: "user" },
  { disk: "json:{}" },
  { backing: "nbd:127.0.0.1:1" },
  { format: 2 },
];

describe("a machine that another host names", () => {
  it("is taken as one host writes it for another", () => {
    expect(decodeMessage("offer", json(OFFER)).machine).toEqual(machine);
    expect(decodeMessage("manifest", json(MANIFEST)).machine).toEqual(machine);
  });

  it.each(HOSTILE)("is refused with %j, in an offer and in a manifest", (change) => {
    const hostile = { ...machine, ...change };
    for (const [name, message] of [["offer", OFFER], ["manifest", MANIFEST]] as const)
      expect(() => decodeMessage(name, json({ ...message, machine: hostile }))).toThrow(/is not right/);
  });

  it.each(["../desk", "-desk", "desk,x=y", "file:desk", "json:{}", "nbd:desk", "DESK", "desk/..", "", "d".repeat(33), "desk\n"])(
    "is refused as part of a workspace named %j",
    (workspace) => {
      expect(() => decodeMessage("offer", json({ ...OFFER, workspace }))).toThrow(/is not right/);
    },
  );

  it.each([{ base: "../x" }, { base: ROOT.toUpperCase() }, { overlay_bytes: -1 }, { device_bytes: 1e300 }, { id: "../../x" }, { layers: ["x"] }])(
    "is refused in an offer with %j",
    (change) => {
      expect(() => decodeMessage("offer", json({ ...OFFER, ...change }))).toThrow(/is not right/);
    },
  );

  it.each([{ root: "x" }, { deviceBytes: 2 ** 40 }, { parent: "../x" }, { layers: ["/etc/shadow"] }])(
    "is refused in a manifest with %j",
    (change) => {
      expect(() => decodeMessage("manifest", json({ ...MANIFEST, ...change }))).toThrow(/is not right/);
    },
  );
});
