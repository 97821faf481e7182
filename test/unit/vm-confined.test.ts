import { describe, expect, it } from "vitest";
import { confined } from "../../vm/confined.ts";
import { hasUser, unprivilegedId } from "../../vm/run-as.ts";

const QEMU = ["qemu-system-x86_64", "-name", "guest=a b;$(x)"];
const NEITHER = { resolvConf: null, limits: null, runAs: null };

describe("what QEMU is started through", () => {
  it("lets a user's QEMU gain no right", () => {
    expect(confined(QEMU, { ...NEITHER, isRoot: false })).toEqual(["setpriv", "--no-new-privs", "--", ...QEMU]);
  });

  it("takes every capability from root's QEMU, for good", () => {
    const line = confined(QEMU, { ...NEITHER, isRoot: true });
    expect(line).toEqual(["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--", ...QEMU]);
  });

  it.each([true, false])("gives an open network namespaces of its own, without their capabilities (root: %s)", (isRoot) => {
    const line = confined(QEMU, { resolvConf: "/run/my dir/resolv.conf", limits: null, isRoot, runAs: null });
    expect(line.slice(0, 8)).toEqual(["unshare", "--user", "--map-root-user", "--net", "--mount", "--", "sh", "-c"]);
    expect(line.slice(9, 12)).toEqual(["sh", "/run/my dir/resolv.conf", "0"]);
    expect(line).toContain("--bounding-set=-all");
    // What is run is words of its own, never part of the script.
    expect(line.slice(-QEMU.length)).toEqual(QEMU);
    expect(line[8]).not.toContain("resolv.conf/");
    expect(line[8]).not.toContain("qemu");
  });

  it("leaves root's QEMU the right to become somebody else, and no other", () => {
    const line = confined(QEMU, { ...NEITHER, isRoot: true, runAs: 1879048192 });
    expect(line).toEqual(["setpriv", "--no-new-privs", "--bounding-set=-all,+setuid,+setgid", "--inh-caps=-all", "--", ...QEMU]);
    // In a user namespace there is nobody else; its pings are allowed to whom it becomes.
    const open = confined(QEMU, { resolvConf: "/r", limits: null, isRoot: true, runAs: 1879048192 });
    expect(open.slice(0, 5)).toEqual(["unshare", "--net", "--mount", "--", "sh"]);
    expect(open.slice(7, 10)).toEqual(["sh", "/r", "1879048192"]);
  });

  it("limits a twin's address space and its time", () => {
    const line = confined(QEMU, { resolvConf: null, limits: { bytes: 4e9, cpuSeconds: 3600 }, isRoot: false, runAs: null });
    expect(line.slice(0, 8)).toEqual(["prlimit", "--as=4000000000", "--cpu=3600", "--core=0", "--", "nice", "-n", "5"]);
  });
});

describe("whom root's QEMU becomes", () => {
  it("is known by what the kernel says of users here", () => {
    expect(hasUser("         0          0 4294967295\n", 0x7fffffff)).toBe(true);
    expect(hasUser("0 1000 1\n", 0x7fffffff)).toBe(false);
    expect(hasUser("0 1000 1\n1 100000 65536\n", 0x7fffffff)).toBe(false);
    expect(hasUser("", 1)).toBe(false);
  });

  it("is somebody else for each machine, always the same, and no user of this computer", async () => {
    const [one, other, again] = await Promise.all(["/run/a", "/run/b", "/run/a"].map(unprivilegedId));
    if (process.getuid?.() !== 0) expect(one).toBeNull();
    if (one === null || one === undefined || other === null || other === undefined) return;
    expect(again).toBe(one);
    expect(other).not.toBe(one);
    for (const id of [one, other]) {
      expect(id).toBeGreaterThanOrEqual(0x70000000);
      expect(id).toBeLessThan(0x80000000);
    }
  });
});
