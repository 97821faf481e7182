import { expect, test } from "vitest";
import { hardwareFields, hardwareOf, machineDefinitionSchema, type MachineDefinition } from "../../protocol/machine.ts";
import { machine } from "./store-fixtures.ts";

const valid: MachineDefinition = { ...machine, kernel: { sha256: "0".repeat(64), bytes: 10 }, append: "quiet" };

const unusual = { firmware: "uefi", diskBus: "sata", nic: "none" } as const;

test.each([valid, { ...valid, ...unusual }])("a machine definition is read as it was written", (definition) => {
  const read: MachineDefinition = machineDefinitionSchema.parse(JSON.parse(JSON.stringify(definition)));
  expect(read).toEqual(definition);
});

test("there is one way only to write down the usual hardware: leaving it out", () => {
  const usual = { firmware: "bios", diskBus: "virtio", nic: "virtio" } as const;
  expect(hardwareOf(valid)).toEqual(usual);
  expect(hardwareFields(usual)).toEqual({});
  expect(hardwareOf({ ...valid, ...unusual })).toEqual(unusual);
  expect(hardwareFields(unusual)).toEqual(unusual);
  for (const [key, value] of Object.entries(usual))
    expect(machineDefinitionSchema.safeParse({ ...valid, [key]: value }).success).toBe(false);
});

test.each<[string, Record<string, unknown>]>([
  ["an unknown key", { extra: 1 }],
  ["another format", { format: 2 }],
  ["an unversioned machine type", { machineType: "pc" }],
  ["options in the machine type", { machineType: "pc-i440fx-7.2,x=y" }],
  ["this computer's own CPU", { cpuModel: "host" }],
  ["all that the CPU has", { cpuModel: "max" }],
  ["options in the CPU model", { cpuModel: "Nehalem,+vmx" }],
  ["a full version", { qemuVersion: "7.2.22" }],
  ["no CPU", { cpus: 0 }],
  ["half a page of memory", { memoryBytes: 134_217_728 + 2048 }],
  ["half a block of disk", { diskBytes: 67_108_864 + 512 }],
  ["a multicast address", { mac: "53:54:00:12:34:56" }],
  ["a vendor's address", { mac: "50:54:00:12:34:56" }],
  ["options in the address", { mac: "52:54:00:12:34:56,x=y" }],
  ["a line break in the command line", { append: "a\nb" }],
  ["a short hash", { kernel: { sha256: "00", bytes: 1 } }],
  ["an empty kernel", { kernel: { sha256: "0".repeat(64), bytes: 0 } }],
])("%s is refused", (_, change) => {
  expect(machineDefinitionSchema.safeParse({ ...valid, ...change }).success).toBe(false);
});
