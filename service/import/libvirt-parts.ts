import { IMAGE_FORMATS } from "../../protocol/import.ts";
import { DISK_BUSES, type Hardware } from "../../protocol/machine.ts";
import type { Given, LibvirtMachine } from "./libvirt.ts";
import type { Obstacle } from "./libvirt-devices.ts";
import { elementAt, elementsAt, type XmlElement } from "./xml.ts";

type DiskPart = Pick<LibvirtMachine, "image" | "format" | "diskBus">;
type CardPart = Pick<LibvirtMachine, "nic" | "mac">;

const NO_DISK: DiskPart = { image: null, format: null, diskBus: null };
const GIVE_IMAGE = "Copy it into an image with qemu-img convert, and name that on the command line.";

function kindOf(disk: XmlElement): string {
  return disk.attributes.get("device") ?? "disk";
}

/** Drives for discs: empty ones are left out, others hold back. */
function readDrives(disks: readonly XmlElement[], obstacles: Obstacle[], notes: string[]): void {
  for (const disk of disks) {
    const kind = kindOf(disk);
    if (elementAt(disk, "source") === undefined) notes.push(`left out: an empty ${kind} drive`);
    else obstacles.push({ what: `there is something in its ${kind} drive`, hint: `Eject it first: virsh change-media.` });
  }
}

function imageOf(disk: XmlElement, obstacles: Obstacle[]): string | null {
  if (elementAt(disk, "encryption") !== undefined || elementAt(disk, "source", "encryption") !== undefined)
    obstacles.push({ what: "its disk is encrypted by QEMU", hint: GIVE_IMAGE });
  const path = elementAt(disk, "source")?.attributes.get("file");
  if (path?.startsWith("/") === true) return path;
  obstacles.push({ what: "its disk is not a file", hint: GIVE_IMAGE });
  return null;
}

/** Its one disk. */
export function readDisk(domain: XmlElement, given: Given, obstacles: Obstacle[], notes: string[]): DiskPart {
  const all = elementsAt(domain, "devices", "disk");
  const drives = all.filter((disk) => ["cdrom", "floppy"].includes(kindOf(disk)));
  readDrives(drives, obstacles, notes);
  const [disk, ...more] = all.filter((one) => !drives.includes(one));
  if (disk === undefined) {
    if (!given.image) obstacles.push({ what: "it has no disk", hint: "Name an image on the command line." });
    return NO_DISK;
  }
  if (more.length > 0)
    obstacles.push({ what: `it has ${more.length + 1} disks, and one is supported`, hint: "Detach the others first." });
  const image = given.image ? null : imageOf(disk, obstacles);
  const wanted = elementAt(disk, "target")?.attributes.get("bus") ?? "virtio";
  const diskBus = DISK_BUSES.find((bus) => bus === wanted) ?? null;
  if (diskBus === null && !given.diskBus)
    obstacles.push({
      what: `its disk is attached by ${wanted}`,
      hint: "Say what is to be used instead, e.g. --disk-bus sata; it must have a driver for it.",
    });
  const type = elementAt(disk, "driver")?.attributes.get("type");
  const format = given.image ? null : (IMAGE_FORMATS.find((known) => known === type) ?? null);
  return { image, format, diskBus };
}

/** Cards that have no equal here get the one that most systems have a driver for. */
function modelOf(card: XmlElement, notes: string[]): Hardware["nic"] {
  const model = elementAt(card, "model")?.attributes.get("type") ?? "rtl8139";
  if (model.startsWith("virtio")) return "virtio";
  if (model !== "e1000") notes.push(`its network card, ${model}, becomes an e1000`);
  return "e1000";
}

/** Its network card, if it has one. */
export function readNetworkCard(domain: XmlElement, given: Given, obstacles: Obstacle[], notes: string[]): CardPart {
  const [card, ...more] = elementsAt(domain, "devices", "interface");
  if (card === undefined) return { nic: "none", mac: null };
  const kinds = [card, ...more].map(({ attributes }) => attributes.get("type") ?? "");
  if (kinds.some((kind) => kind === "hostdev" || kind === "vdpa"))
    obstacles.push({ what: "it uses a network card of its computer", hint: "Give it an emulated one first." });
  if (more.length > 0 && !given.nic)
    obstacles.push({
      what: `it has ${more.length + 1} network cards, and one is supported`,
      hint: "Detach the others first, or say which kind the only one is to be, e.g. --nic virtio.",
    });
  if (kinds[0] !== "user")
    notes.push("its network becomes a private one behind this computer: it reaches out, and nobody reaches in");
  const mac = elementAt(card, "mac")?.attributes.get("address")?.toLowerCase() ?? null;
  return { nic: modelOf(card, notes), mac };
}
