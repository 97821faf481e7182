import { cpus as processors } from "node:os";
import { HomewardError } from "../../common/errors.ts";
import type { ControlParsedParams } from "../../protocol/control.ts";
import type { ImportPlan, Origin } from "../../protocol/import.ts";
import type { Hardware } from "../../protocol/machine.ts";
import { PORTABLE_CPU_MODEL } from "../../vm/accelerator.ts";
import type { SourceImage } from "../../vm/source/source-image.ts";
import { newMac } from "../workspaces/guest-folder.ts";
import type { LibvirtMachine } from "./libvirt.ts";

export type ImportRequest = ControlParsedParams<"import">;

const MIB = 1_048_576;
const BLOCK = 4096;
const USUAL_MEMORY = 2048 * MIB;
/** More would only slow the others down on a computer that has no more. */
const USUAL_CPUS = 2;
/** RAM comes in pieces of it. */
const MEMORY_UNIT = 2 * MIB;
/** What a machine definition takes: locally administered, unicast. */
const MAC = /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/;

interface Chosen<T> {
  readonly value: T;
  readonly origin: Origin;
}

/** The first that is there, in the order in which they are believed. */
function choose<T>(
  usual: T,
  from: { readonly given?: T | undefined; readonly libvirt?: T | null | undefined; readonly image?: T | null },
): Chosen<T> {
  if (from.given !== undefined) return { value: from.given, origin: "given" };
  if (from.libvirt !== undefined && from.libvirt !== null) return { value: from.libvirt, origin: "libvirt" };
  if (from.image !== undefined && from.image !== null) return { value: from.image, origin: "image" };
  return { value: usual, origin: "usual" };
}

/** What the disk can be started with; a disk that can do both needs nothing more with BIOS. */
function firmwareOf({ boot }: SourceImage): Hardware["firmware"] | null {
  if (boot.startsByBios) return "bios";
  return boot.startsByUefi ? "uefi" : null;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function notesOn(image: SourceImage, request: ImportRequest, firmware: Chosen<Hardware["firmware"]>): string[] {
  const notes: string[] = [];
  const { boot } = image;
  if (boot.startsByBios && boot.startsByUefi && firmware.origin === "image")
    notes.push("the disk can also start with UEFI: --firmware uefi");
  if (image.snapshots > 0) notes.push(`${image.snapshots} snapshots inside the image are left behind`);
  if (boot.isWindows && request.diskBus === undefined)
    notes.push("Windows is on the disk, which knows virtio disks and network cards only once their drivers are installed");
  return notes;
}

/**
 * The machine that an image gets: what the user says counts most, then libvirt's description, then the image.
 * @throws USAGE if nothing says how the disk is to be started, or two things contradict each other
 */
export function planImport(request: ImportRequest, image: SourceImage, libvirt: LibvirtMachine | null): ImportPlan {
  const firmware = choose("bios", { given: request.firmware, libvirt: libvirt?.firmware, image: firmwareOf(image) });
  if (firmware.origin === "usual")
    throw new HomewardError("USAGE", `${image.path} has neither boot code for BIOS nor an EFI system partition`, {
      hint: "If it does start, say how: --firmware bios or --firmware uefi.",
    });
  if (request.uefiVariables !== undefined && firmware.value !== "uefi")
    throw new HomewardError("USAGE", "a machine with BIOS has no UEFI variables", { hint: "Add --firmware uefi." });
  const forWindows = image.boot.isWindows;
  const diskBus = choose("virtio", {
    given: request.diskBus,
    libvirt: libvirt?.diskBus,
    image: forWindows ? ("sata" as const) : null,
  });
  const nic = choose("virtio", {
    given: request.nic,
    libvirt: libvirt?.nic,
    image: forWindows ? ("e1000" as const) : null,
  });
  const memory = choose(USUAL_MEMORY, { given: request.memoryBytes, libvirt: libvirt?.memoryBytes });
  const cpus = choose(Math.min(USUAL_CPUS, processors().length), { given: request.cpus, libvirt: libvirt?.cpus });
  const cpuModel = choose<string>(PORTABLE_CPU_MODEL, { given: request.cpuModel, libvirt: libvirt?.cpuModel });
  const known = libvirt?.mac ?? null;
  const mac = choose(newMac(), { libvirt: known !== null && MAC.test(known) ? known : null });
  return {
    image: image.path,
    format: image.format,
    allocatedBytes: image.allocatedBytes,
    diskBytes: roundUp(image.virtualBytes, BLOCK),
    memoryBytes: roundUp(memory.value, MEMORY_UNIT),
    cpus: cpus.value,
    cpuModel: cpuModel.value,
    firmware: firmware.value,
    diskBus: diskBus.value,
    nic: nic.value,
    mac: mac.value,
    uefiVariables: firmware.value === "uefi" ? (request.uefiVariables ?? libvirt?.uefiVariables ?? null) : null,
    origins: {
      memoryBytes: memory.origin,
      cpus: cpus.origin,
      cpuModel: cpuModel.origin,
      firmware: firmware.origin,
      diskBus: diskBus.origin,
      nic: nic.origin,
      mac: mac.origin,
    },
    notes: [...(libvirt?.notes ?? []), ...notesOn(image, request, firmware)],
  };
}
