import { describe, expect, it } from "vitest";
import { confined } from "../../vm/confined.ts";

const QEMU = ["qemu-system-x86_64", "-name", "guest=a b;$(x)"];
const NEITHER = { resolvConf: null, limits: null };

describe("what QEMU is started through", () => {
  it("lets a user's QEMU gain no right", () => {
    expect(confined(QEMU, { ...NEITHER, isRoot: false })).toEqual(["setpriv", "--no-new-privs", "--", ...QEMU]);
  });

  it("takes every capability from root's QEMU, for good", () => {
    const line = confined(QEMU, { ...NEITHER, isRoot: true });
    expect(line).toEqual(["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--", ...QEMU]);
  });

  it.each([true, false])("gives an open network namespaces of its own, without their capabilities (root: %s)", (isRoot) => {
    const line = confined(QEMU, { resolvConf: "/run/my dir/resolv.conf", limits: null, isRoot });
    expect(line.slice(0, 8)).toEqual(["unshare", "--user", "--map-root-user", "--net", "--mount", "--", "sh", "-c"]);
    expect(line.slice(9, 12)).toEqual(["sh", "/run/my dir/resolv.conf", "setpriv"]);
    expect(line).toContain("--bounding-set=-all");
    // What is run is words of its own, never part of the script.
    expect(line.slice(-QEMU.length)).toEqual(QEMU);
    expect(line[8]).not.toContain("resolv.conf/");
    expect(line[8]).not.toContain("qemu");
  });

  it("limits a twin's address space and its time", () => {
    const line = confined(QEMU, { resolvConf: null, limits: { bytes: 4e9, cpuSeconds: 3600 }, isRoot: false });
    expect(line.slice(0, 8)).toEqual(["prlimit", "--as=4000000000", "--cpu=3600", "--core=0", "--", "nice", "-n", "5"]);
  });
});
