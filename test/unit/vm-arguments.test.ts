import { describe, expect, test } from "vitest";
import type { MachineDefinition } from "../../protocol/machine.ts";
import { qemuArguments, type MachineFiles } from "../../vm/arguments.ts";

const blob = { sha256: "ab".repeat(32), bytes: 100 };

const definition: MachineDefinition = {
  format: 1,
  machineType: "pc-i440fx-7.2",
  accelerator: "tcg",
  cpuModel: "Nehalem",
  qemuVersion: "7.2",
  cpus: 2,
  memoryBytes: 536_870_912,
  diskBytes: 67_108_864,
  mac: "52:54:00:12:34:56",
  kernel: blob,
  initrd: blob,
  append: "root=/dev/vda rw",
};

const files: MachineFiles = {
  name: "work",
  ramPath: "/dev/shm/w/ram",
  diskLayers: ["/s/top.qcow2", "/s/base.qcow2"],
  kernelPath: "/s/kernel",
  initrdPath: "/s/initrd",
  runDir: "/run/w",
  network: "open",
  incoming: false,
  diskFlush: "safe",
  afterShutdown: "end",
};

/** The value after each `flag`. */
function valuesOf(args: readonly string[], flag: string): string[] {
  return args.filter((_, i) => args[i - 1] === flag);
}

describe("QEMU's arguments", () => {
  test("where root starts it, it becomes somebody else once its files are open", () => {
    const args = qemuArguments(definition, files, 1879048192);
    expect(valuesOf(args, "-runas")).toEqual(["1879048192:1879048192"]);
    expect(valuesOf(args, "-sandbox")).toEqual(["on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny"]);
    expect(qemuArguments(definition, files)).not.toContain("-runas");
  });

  test("a machine that boots", () => {
    expect(qemuArguments(definition, files)).toEqual([
      "-nodefaults",
      "-no-user-config",
      "-name",
      "guest=work",
      "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine",
      "pc-i440fx-7.2,memory-backend=ram,hpet=off,vmport=off,dump-guest-core=off",
      "-accel",
      "tcg",
      "-cpu",
      "Nehalem,enforce",
      "-smp",
      "cpus=2,sockets=1,cores=2,threads=1",
      "-m",
      "size=536870912B",
      "-object",
      '{"qom-type":"memory-backend-file","id":"ram","size":536870912,"mem-path":"/dev/shm/w/ram","share":true}',
      "-rtc",
      "base=utc,clock=host",
      "-blockdev",
      '{"node-name":"file1","driver":"file","filename":"/s/base.qcow2","read-only":true,"auto-read-only":false}',
      "-blockdev",
      '{"node-name":"disk1","driver":"qcow2","read-only":true,"file":"file1","backing":null}',
      "-blockdev",
      '{"node-name":"file0","driver":"file","filename":"/s/top.qcow2","discard":"unmap","auto-read-only":false}',
      "-blockdev",
      '{"node-name":"disk0","driver":"qcow2","discard":"unmap","detect-zeroes":"unmap","file":"file0","backing":"disk1"}',
      "-device",
      "VGA,id=vga0,bus=pci.0,addr=0x2",
      "-device",
      "virtio-blk-pci,id=vd0,drive=disk0,bus=pci.0,addr=0x4",
      "-netdev",
      "user,id=net0",
      "-device",
      "virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:12:34:56,romfile=,bus=pci.0,addr=0x5",
      "-device",
      "qemu-xhci,id=xhci0,bus=pci.0,addr=0x6",
      "-device",
      "usb-tablet,id=tablet0,bus=xhci0.0,port=1",
      "-device",
      "virtio-balloon-pci,id=balloon0,free-page-reporting=on,bus=pci.0,addr=0x7",
      "-display",
      "none",
      "-vnc",
      "unix:/run/w/vnc.sock,share=ignore",
      "-chardev",
      "socket,id=qmp0,path=/run/w/qmp.sock,server=on,wait=off",
      "-mon",
      "chardev=qmp0,mode=control",
      "-pidfile",
      "/run/w/qemu.pid",
      "-kernel",
      "/s/kernel",
      "-initrd",
      "/s/initrd",
      "-append",
      "root=/dev/vda rw",
    ]);
  });

  test("a twin: state comes in, nothing goes out, flushes are ignored on the writable layer only", () => {
    const args = qemuArguments(definition, {
      ...files,
      incoming: true,
      network: "blocked",
      diskFlush: "none",
      afterShutdown: "stay",
    });
    expect(args.slice(-3)).toEqual(["-incoming", "defer", "-S"]);
    expect(valuesOf(args, "-rtc")).toEqual(["base=utc,clock=host"]);
    expect(args).toContain("-no-shutdown");
    expect(valuesOf(args, "-netdev")).toEqual(["user,id=net0,restrict=on"]);
    expect(valuesOf(args, "-blockdev").map((node) => node.includes('"cache":{"no-flush":true}'))).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  test("the devices that the guest sees do not depend on the files", () => {
    const other = qemuArguments(definition, {
      ...files,
      name: "other",
      diskLayers: ["/x/a", "/x/b", "/x/c"],
      runDir: "/x",
      network: "blocked",
      incoming: true,
    });
    expect(valuesOf(other, "-device")).toEqual(valuesOf(qemuArguments(definition, files), "-device"));
  });

  test("a disk that boots by itself has no kernel arguments", () => {
    const self = { ...definition, kernel: null, initrd: null, append: null };
    const args = qemuArguments(self, { ...files, kernelPath: null, initrdPath: null });
    expect(args.at(-2)).toBe("-pidfile");
  });

  test("a machine with UEFI firmware, a SATA disk and an Intel network card", () => {
    const args = qemuArguments(
      { ...definition, kernel: null, initrd: null, append: null, firmware: "uefi", diskBus: "sata", nic: "e1000" },
      { ...files, kernelPath: null, initrdPath: null, uefi: { codePath: "/o/code", variablesPath: "/s/vars" } },
    );
    expect(valuesOf(args, "-machine")).toEqual([
      "pc-i440fx-7.2,memory-backend=ram,hpet=off,vmport=off,dump-guest-core=off,pflash0=code0,pflash1=vars0",
    ]);
    expect(valuesOf(args, "-blockdev").slice(0, 2)).toEqual([
      '{"node-name":"code0","driver":"file","filename":"/o/code","read-only":true,"auto-read-only":false}',
      '{"node-name":"vars0","driver":"file","filename":"/s/vars","auto-read-only":false}',
    ]);
    expect(valuesOf(args, "-device").slice(0, 4)).toEqual([
      "VGA,id=vga0,bus=pci.0,addr=0x2",
      "ich9-ahci,id=ahci0,bus=pci.0,addr=0x4",
      "ide-hd,id=hd0,drive=disk0,bus=ahci0.0",
      "e1000,id=nic0,netdev=net0,mac=52:54:00:12:34:56,romfile=,bus=pci.0,addr=0x5",
    ]);
  });

  test("a machine with an IDE disk and no network", () => {
    const args = qemuArguments({ ...definition, diskBus: "ide", nic: "none" }, files);
    expect(valuesOf(args, "-device").slice(0, 3)).toEqual([
      "VGA,id=vga0,bus=pci.0,addr=0x2",
      "ide-hd,id=hd0,drive=disk0,bus=ide.0,unit=0",
      "qemu-xhci,id=xhci0,bus=pci.0,addr=0x6",
    ]);
    expect(args).not.toContain("-netdev");
  });

  test("commas in paths and names are escaped where QEMU splits at them, and only there", () => {
    const args = qemuArguments(definition, {
      ...files,
      name: "a,b",
      ramPath: "/r,1",
      runDir: "/run/a,b",
      diskLayers: ['/s/"x",y'],
      kernelPath: "/k,1",
    });
    expect(valuesOf(args, "-name")).toEqual(["guest=a,,b"]);
    expect(valuesOf(args, "-vnc")).toEqual(["unix:/run/a,,b/vnc.sock,share=ignore"]);
    expect(valuesOf(args, "-chardev")).toEqual(["socket,id=qmp0,path=/run/a,,b/qmp.sock,server=on,wait=off"]);
    expect(valuesOf(args, "-pidfile")).toEqual(["/run/a,b/qemu.pid"]);
    expect(valuesOf(args, "-kernel")).toEqual(["/k,1"]);
    expect(JSON.parse(valuesOf(args, "-object")[0] ?? "")).toMatchObject({ "mem-path": "/r,1" });
    expect(JSON.parse(valuesOf(args, "-blockdev")[0] ?? "")).toMatchObject({ filename: '/s/"x",y' });
  });

  test("a run folder whose sockets could not be reached is refused", () => {
    const path = (bytes: number): string => `/${"r".repeat(bytes - 1)}`;
    expect(() => qemuArguments(definition, { ...files, runDir: path(83) })).not.toThrow();
    expect(() => qemuArguments(definition, { ...files, runDir: path(84) })).toThrow(/path of a socket/);
    // Bytes count, not characters.
    expect(() => qemuArguments(definition, { ...files, runDir: `/${"ü".repeat(42)}` })).toThrow(/path of a socket/);
  });

  test("files that do not fit the definition are refused", () => {
    const cases: [Partial<MachineDefinition>, Partial<MachineFiles>][] = [
      [{}, { diskLayers: [] }],
      [{}, { kernelPath: null }],
      [{}, { initrdPath: null }],
      [{ kernel: null }, {}],
      [{ kernel: null }, { kernelPath: null }],
      [{}, { ramPath: "ram" }],
      [{}, { diskLayers: ["top"] }],
      [{}, { uefi: { codePath: "/o/code", variablesPath: "/s/vars" } }],
      [{ firmware: "uefi" }, {}],
      [{ firmware: "uefi" }, { uefi: { codePath: "/o/code", variablesPath: "vars" } }],
    ];
    for (const [m, f] of cases)
      expect(() => qemuArguments({ ...definition, ...m }, { ...files, ...f })).toThrow(
        expect.objectContaining({ code: "USAGE" }),
      );
  });
});
