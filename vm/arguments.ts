import { isAbsolute } from "node:path";
import { HomewardError } from "../common/errors.ts";
import { hardwareOf, type MachineDefinition } from "../protocol/machine.ts";
import { blockdevNodes, TOP_NODE, type BlockdevOptions } from "./disk-chain.ts";
import type { Limits } from "./confined.ts";
import type { UefiFiles } from "./firmware.ts";
import { runDirFiles } from "./run-dir.ts";

/** Where a machine's parts lie on this computer. */
export interface MachineFiles {
  /** Shown in the process list only. */
  readonly name: string;
  /** RAM as a file of exactly `memoryBytes`; made if missing, unless a state is to be loaded. */
  readonly ramPath: string;
  /** Absolute paths of qcow2 layers, the top (writable) one first. */
  readonly diskLayers: readonly string[];
  readonly kernelPath: string | null;
  readonly initrdPath: string | null;
  /** With UEFI firmware, and only then. */
  readonly uefi?: UefiFiles;
  /** Folder of mode 0700 that holds qmp.sock, vnc.sock, qemu.pid and qemu.log. */
  readonly runDir: string;
  /**
   * "open": the outside, but not this computer's loopback; "with-host": that too, as 10.0.2.2; "blocked" keeps the same
   * network card but lets nothing out, neither to this computer nor beyond it.
   */
  readonly network: "open" | "with-host" | "blocked";
  /** What QEMU may use of this computer. */
  readonly limits?: Limits;
  /** Wait for a saved state instead of booting. */
  readonly incoming: boolean;
  /** "none" ignores the guest's flushes: only for a copy that may be lost. */
  readonly diskFlush: "safe" | "none";
  /** When the guest switches the machine off: "end" ends QEMU, "stay" keeps it there, stopped, for a reset to wake. */
  readonly afterShutdown: "end" | "stay";
}

/** A value in one of QEMU's comma-separated options. */
function quoted(value: string): string {
  return value.replaceAll(",", ",,");
}

function json(options: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(options);
}

/** @throws USAGE if the files do not make a machine, ENVIRONMENT if a socket's path would be too long */
function check(m: MachineDefinition, f: MachineFiles): void {
  const flash = f.uefi === undefined ? [] : [f.uefi.codePath, f.uefi.variablesPath];
  const boot = [f.kernelPath, f.initrdPath].filter((path) => path !== null);
  const paths = [f.ramPath, f.runDir, ...f.diskLayers, ...boot, ...flash];
  const relative = paths.find((path) => !isAbsolute(path));
  if (relative !== undefined) throw new HomewardError("USAGE", `not an absolute path: ${relative}`);
  if (f.diskLayers.length === 0) throw new HomewardError("USAGE", `${f.name} has no disk`);
  if ((m.kernel === null) !== (f.kernelPath === null) || (m.initrd === null) !== (f.initrdPath === null))
    throw new HomewardError("USAGE", `the kernel and initrd of ${f.name} do not fit its definition`);
  if (m.kernel === null && (m.initrd !== null || m.append !== null))
    throw new HomewardError("USAGE", `${f.name} has an initrd or a command line but no kernel`);
  if ((m.firmware === "uefi") !== (f.uefi !== undefined))
    throw new HomewardError("USAGE", `the firmware files of ${f.name} do not fit its definition`);
}

/**
 * What QEMU needs no right to do, it cannot do: a guest that breaks out of a device finds no way to start programs. Where it
 * has to become another user first, it may still ask for that afterwards, and has no right to.
 */
function sandbox(runAs: number | null): string {
  return `on,obsolete=deny,elevateprivileges=${runAs === null ? "deny" : "allow"},spawn=deny,resourcecontrol=deny`;
}

/** Node names of the firmware's two flash chips: its code, and its variables. */
const FLASH = ",pflash0=code0,pflash1=vars0";

function machineArguments(m: MachineDefinition, f: MachineFiles): string[] {
  return [
    "-machine",
    // No HPET: its timer makes an idle guest busy. No vmport: a second, absolute mouse that nothing here needs.
    `${m.machineType},memory-backend=ram,hpet=off,vmport=off,dump-guest-core=off${m.firmware === "uefi" ? FLASH : ""}`,
    "-accel",
    m.accelerator,
    // "enforce" refuses a model that the accelerator cannot give in full.
    "-cpu",
    `${m.cpuModel},enforce`,
    "-smp",
    `cpus=${m.cpus},sockets=1,cores=${m.cpus},threads=1`,
    "-m",
    `size=${m.memoryBytes}B`,
    "-object",
    // share=on: the file *is* the RAM. With share=off the balloon's reporting would punch holes into a file that
    // others may be using (seen on 7.2).
    json({ "qom-type": "memory-backend-file", id: "ram", size: m.memoryBytes, "mem-path": f.ramPath, share: true }),
    "-rtc",
    // The time of this computer, also after a state was loaded (hw/rtc/mc146818rtc.c, rtc_post_load).
    "base=utc,clock=host",
  ];
}

function diskArguments(f: MachineFiles): string[] {
  const nodes = blockdevNodes(f.diskLayers, { writable: true, flush: f.diskFlush });
  return [...flashNodes(f), ...nodes].flatMap((node) => ["-blockdev", json(node)]);
}

/** What is in the flash chips is part of the device state; the files only count when the machine is turned on. */
function flashNodes({ uefi, diskFlush }: MachineFiles): BlockdevOptions[] {
  if (uefi === undefined) return [];
  const noFlush = diskFlush === "none" ? { cache: { "no-flush": true } } : {};
  return [
    { "node-name": "code0", driver: "file", filename: uefi.codePath, "read-only": true, "auto-read-only": false },
    { "node-name": "vars0", driver: "file", filename: uefi.variablesPath, "auto-read-only": false, ...noFlush },
  ];
}

/** One disk. Without bootindex: UEFI firmware would drop every boot entry of its own that it finds no index for. */
function diskDevice(m: MachineDefinition): string[] {
  switch (hardwareOf(m).diskBus) {
    case "virtio":
      return ["-device", `virtio-blk-pci,id=vd0,drive=${TOP_NODE},bus=pci.0,addr=0x4`];
    case "ide":
      return ["-device", `ide-hd,id=hd0,drive=${TOP_NODE},bus=ide.0,unit=0`];
    case "sata":
      return [
        "-device",
        "ich9-ahci,id=ahci0,bus=pci.0,addr=0x4",
        "-device",
        `ide-hd,id=hd0,drive=${TOP_NODE},bus=ahci0.0`,
      ];
  }
}

function networkCard(m: MachineDefinition, f: MachineFiles): string[] {
  const { nic } = hardwareOf(m);
  if (nic === "none") return [];
  const model = nic === "virtio" ? "virtio-net-pci" : "e1000";
  return [
    "-netdev",
    // The same backend either way: a state with a user-mode network in it loads into no other.
    f.network === "blocked" ? "user,id=net0,restrict=on" : "user,id=net0",
    "-device",
    // No boot ROM: it would be part of the state and has to be the same file on both sides.
    `${model},id=nic0,netdev=net0,mac=${m.mac},romfile=,bus=pci.0,addr=0x5`,
  ];
}

/** Devices with fixed slots: a saved state can only be loaded where the guest sees the same machine. */
function deviceArguments(m: MachineDefinition, f: MachineFiles): string[] {
  return [
    "-device",
    "VGA,id=vga0,bus=pci.0,addr=0x2",
    ...diskDevice(m),
    ...networkCard(m, f),
    "-device",
    "qemu-xhci,id=xhci0,bus=pci.0,addr=0x6",
    "-device",
    "usb-tablet,id=tablet0,bus=xhci0.0,port=1",
    "-device",
    "virtio-balloon-pci,id=balloon0,free-page-reporting=on,bus=pci.0,addr=0x7",
  ];
}

function bootArguments(m: MachineDefinition, f: MachineFiles): string[] {
  const list: string[] = f.afterShutdown === "stay" ? ["-no-shutdown"] : [];
  if (f.kernelPath !== null) list.push("-kernel", f.kernelPath);
  if (f.initrdPath !== null) list.push("-initrd", f.initrdPath);
  if (m.append !== null) list.push("-append", m.append);
  // -S: a loaded state never runs before it is told to, whatever state the stream says it was in.
  if (f.incoming) list.push("-incoming", "defer", "-S");
  return list;
}

/**
 * QEMU's arguments for a machine: everything that decides what the guest sees comes from the definition, everything that
 * differs between computers from the files.
 * @param runAs number of the user that QEMU becomes; null if it stays who it is
 * @throws USAGE if the two do not fit together, ENVIRONMENT if the run folder's path is too long
 */
export function qemuArguments(m: MachineDefinition, f: MachineFiles, runAs: number | null = null): string[] {
  check(m, f);
  const run = runDirFiles(f.runDir);
  return [
    "-nodefaults",
    "-no-user-config",
    "-name",
    `guest=${quoted(f.name)}`,
    "-sandbox",
    sandbox(runAs),
    // After it has opened all files and before the guest can do anything.
    ...(runAs === null ? [] : ["-runas", `${runAs}:${runAs}`]),
    ...machineArguments(m, f),
    ...diskArguments(f),
    ...deviceArguments(m, f),
    "-display",
    "none",
    "-vnc",
    // share=ignore: with force-shared a viewer that asks to be alone is dropped, with the default it throws out the
    // recorder.
    `unix:${quoted(run.vnc)},share=ignore`,
    "-chardev",
    `socket,id=qmp0,path=${quoted(run.qmp)},server=on,wait=off`,
    "-mon",
    "chardev=qmp0,mode=control",
    "-pidfile",
    run.pid,
    ...bootArguments(m, f),
  ];
}
