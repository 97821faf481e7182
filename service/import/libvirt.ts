import { HomewardError } from "../../common/errors.ts";
import type { ImageFormat } from "../../protocol/import.ts";
import type { Hardware } from "../../protocol/machine.ts";
import { deviceObstacles, type Obstacle } from "./libvirt-devices.ts";
import { readDisk, readNetworkCard } from "./libvirt-parts.ts";
import { elementAt, elementsAt, parseXml, type XmlElement } from "./xml.ts";

/** What the user said about the machine, so that its description need not say it. */
export interface Given {
  readonly image: boolean;
  readonly diskBus: boolean;
  readonly nic: boolean;
  readonly cpuModel: boolean;
}

/** What libvirt's description says about a machine; null where it says nothing that matters. */
export interface LibvirtMachine {
  readonly image: string | null;
  readonly format: ImageFormat | null;
  readonly memoryBytes: number | null;
  readonly cpus: number | null;
  readonly cpuModel: string | null;
  readonly firmware: Hardware["firmware"];
  readonly diskBus: Hardware["diskBus"] | null;
  readonly nic: Hardware["nic"];
  /** Of the network card, lower-case. */
  readonly mac: string | null;
  /** Where libvirt keeps the firmware's variables, if it says. */
  readonly uefiVariables: string | null;
  /** What will be different, for people. */
  readonly notes: readonly string[];
}

/** libvirt's units of memory, in bytes. */
const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 2 ** 10,
  KiB: 2 ** 10,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

function wholeNumber(text: string | undefined, what: string): number {
  const value = Number(text?.trim());
  if (/^\s*\d{1,15}\s*$/.test(text ?? "") && Number.isSafeInteger(value)) return value;
  throw new HomewardError("USAGE", `the machine's description has no usable number as ${what}`);
}

function memoryOf(domain: XmlElement): number | null {
  const memory = elementAt(domain, "memory");
  if (memory === undefined) return null;
  const unit = memory.attributes.get("unit") ?? "KiB";
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (factor === undefined) throw new HomewardError("USAGE", `the machine's description counts memory in ${unit}`);
  return wholeNumber(memory.text, "memory") * factor;
}

function cpusOf(domain: XmlElement): number | null {
  const vcpu = elementAt(domain, "vcpu");
  return vcpu === undefined ? null : wholeNumber(vcpu.attributes.get("current") ?? vcpu.text, "number of CPUs");
}

const PORTABLE = "Say which CPU it is to have instead, e.g. --cpu Nehalem.";

/** The name of the CPU model; `null` where the description leaves it open. */
function cpuModelOf(domain: XmlElement, given: Given, obstacles: Obstacle[], notes: string[]): string | null {
  const cpu = elementAt(domain, "cpu");
  if (cpu === undefined || given.cpuModel) return null;
  const mode = cpu.attributes.get("mode") ?? "custom";
  if (mode !== "custom") {
    obstacles.push({ what: `its CPU is that of the computer it runs on (mode "${mode}")`, hint: PORTABLE });
    return null;
  }
  if (elementAt(cpu, "feature") !== undefined) notes.push("CPU features that are switched one by one are not taken over");
  return elementAt(cpu, "model")?.text.trim() ?? null;
}

function requireOrdinary(domain: XmlElement, obstacles: Obstacle[]): void {
  const type = domain.attributes.get("type") ?? "";
  const os = elementAt(domain, "os", "type");
  const arch = os?.attributes.get("arch") ?? "x86_64";
  if (type !== "kvm" && type !== "qemu")
    obstacles.push({ what: `it is a machine of the kind "${type}"`, hint: "Only kvm and qemu machines can be taken in." });
  if (arch !== "x86_64") obstacles.push({ what: `its processor is ${arch}`, hint: "Only x86_64 machines can be taken in." });
  if ((os?.text.trim() ?? "hvm") !== "hvm")
    obstacles.push({ what: "it is not a whole computer (hvm)", hint: "Only such machines can be taken in." });
  if (elementAt(domain, "os", "kernel") !== undefined)
    obstacles.push({ what: "its kernel is a file outside its disk", hint: "Install a boot loader in it first." });
  if (elementAt(domain, "launchSecurity") !== undefined)
    obstacles.push({ what: "its memory is encrypted (launchSecurity)", hint: "Remove that from the machine first." });
  if (domain.children.some(({ name, children }) => name === "qemu:commandline" && children.length > 0))
    obstacles.push({ what: "it has arguments for QEMU of its own", hint: "Remove <qemu:commandline> first." });
}

interface Firmware {
  readonly firmware: Hardware["firmware"];
  readonly uefiVariables: string | null;
}

function firmwareOf(domain: XmlElement, obstacles: Obstacle[]): Firmware {
  const os = elementAt(domain, "os");
  const loader = os === undefined ? undefined : elementAt(os, "loader");
  if (os === undefined || (os.attributes.get("firmware") !== "efi" && loader?.attributes.get("type") !== "pflash"))
    return { firmware: "bios", uefiVariables: null };
  const isSecure =
    loader?.attributes.get("secure") === "yes" ||
    elementsAt(os, "firmware", "feature").some(
      ({ attributes }) => attributes.get("name") === "secure-boot" && attributes.get("enabled") === "yes",
    );
  if (isSecure)
    obstacles.push({ what: "it starts with Secure Boot", hint: "Switch Secure Boot off in it, and in its description." });
  const path = elementAt(os, "nvram")?.text.trim() ?? "";
  return { firmware: "uefi", uefiVariables: path.startsWith("/") ? path : null };
}

function refuse(obstacles: readonly Obstacle[], name: string): void {
  if (obstacles.length === 0) return;
  throw new HomewardError("INCOMPATIBLE", `${name} cannot be moved: ${obstacles.map(({ what }) => what).join("; ")}`, {
    hint: [...new Set(obstacles.map(({ hint }) => hint))].join(" "),
    data: { obstacles },
  });
}

/**
 * Reads what `virsh dumpxml` prints.
 * @throws USAGE if it is not that; INCOMPATIBLE with everything that keeps the machine from being moved, and what to do
 */
export function readLibvirt(text: string, given: Given): LibvirtMachine {
  const domain = parseXml(text);
  if (domain.name !== "domain")
    throw new HomewardError("USAGE", `this describes no machine, but is a <${domain.name}>`, {
      hint: "Write it with: virsh dumpxml NAME > FILE",
    });
  const obstacles: Obstacle[] = [];
  const notes: string[] = [];
  requireOrdinary(domain, obstacles);
  const firmware = firmwareOf(domain, obstacles);
  const cpuModel = cpuModelOf(domain, given, obstacles, notes);
  const disk = readDisk(domain, given, obstacles, notes);
  const card = readNetworkCard(domain, given, obstacles, notes);
  obstacles.push(...deviceObstacles(domain, notes));
  const chipset = elementAt(domain, "os", "type")?.attributes.get("machine") ?? "";
  if (chipset.includes("q35"))
    notes.push("its chipset becomes i440fx: devices get other addresses, and a network card may get another name");
  const clock = elementAt(domain, "clock")?.attributes.get("offset") ?? "utc";
  if (clock !== "utc") notes.push(`its clock shows UTC, and not "${clock}" as before`);
  refuse(obstacles, elementAt(domain, "name")?.text.trim() ?? "the machine");
  return { ...firmware, ...disk, ...card, cpuModel, memoryBytes: memoryOf(domain), cpus: cpusOf(domain), notes };
}
