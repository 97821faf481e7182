import { expect, test } from "vitest";
import { kvmFailure } from "../../vm/accelerator.ts";
import { probeImage } from "../../vm/probe-image.ts";

test("the probe is one sector with a valid Multiboot header whose addresses lie inside it", () => {
  const image = probeImage();
  expect(image).toHaveLength(512);
  const sum = image.readUInt32LE(0) + image.readUInt32LE(4) + image.readUInt32LE(8);
  expect(sum % 2 ** 32).toBe(0);
  const [start, loaded, end] = [image.readUInt32LE(12), image.readUInt32LE(16), image.readUInt32LE(20)];
  expect([loaded, end]).toEqual([start, start + 512]);
  expect(image.readUInt32LE(28)).toBe(start + 32);
});

test("a failure is told plainly, by how far it came", () => {
  const hung = { works: false, ms: 2000, words: "" };
  expect(kvmFailure({ ...hung, steps: "" })).toBe("KVM did not start a 64-bit program within 2 s");
  expect(kvmFailure({ ...hung, steps: "LS" })).toBe("KVM did not finish a loop of twenty million steps within 2 s");
  expect(kvmFailure({ ...hung, steps: "LSN" })).toBe("KVM delivered no timer interrupt within 2 s");
  const refused = { works: false, steps: "", ms: 50 };
  expect(kvmFailure({ ...refused, words: "qemu: Host doesn't support requested features" })).toContain("Nehalem");
  expect(kvmFailure({ ...refused, words: "x\nfailed to initialize kvm: busy" })).toContain("kvm: busy");
});
