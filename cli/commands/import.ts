import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { IMAGE_FORMATS, MAX_LIBVIRT_CHARACTERS } from "../../protocol/import.ts";
import { DISK_BUSES, FIRMWARES, NICS } from "../../protocol/machine.ts";
import { argument, callService, newCommand, oneOf, wholeNumber, type CommandEntry } from "../command.ts";
import { importText } from "../text/import.ts";

interface Options {
  readonly libvirt?: string;
  readonly memory?: number;
  readonly cpus?: number;
  readonly cpu?: string;
  readonly firmware?: (typeof FIRMWARES)[number];
  readonly uefiVariables?: string;
  readonly diskBus?: (typeof DISK_BUSES)[number];
  readonly nic?: (typeof NICS)[number];
  readonly format?: (typeof IMAGE_FORMATS)[number];
  readonly allowHostLoopback?: boolean;
  readonly accelerator?: (typeof ACCELERATORS)[number];
  readonly dryRun?: boolean;
}

const ACCELERATORS = ["kvm", "tcg"] as const;
const MIB = 2 ** 20;
const UNITS: Readonly<Record<string, number>> = { M: MIB, G: 1024 * MIB };

/** Parser of an amount of memory: 512M, 2G. */
export function memorySize(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,6})([MG])$/.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? NaN);
  if (bytes >= 16 * MIB && bytes % (2 * MIB) === 0) return bytes;
  throw new InvalidArgumentError("It is an even number of MiB from 16M on, or of GiB: 512M, 2G.");
}

/** Text of a small file or pipe; what is too long is read no further than that can be told. */
async function readDescription(path: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > MAX_LIBVIRT_CHARACTERS) break;
    }
  } catch (error) {
    throw new HomewardError(toHomewardError(error).code, `cannot read ${path}`, { cause: error });
  }
  if (text.length <= MAX_LIBVIRT_CHARACTERS) return text;
  throw new HomewardError("USAGE", `${path} is too long to be a machine's description`, {
    hint: "Write it with: virsh dumpxml NAME > FILE",
  });
}

const DETAILS = `IMAGE is a disk image in the format qcow2, raw, vmdk or vdi with a 64-bit x86 system on it; it is copied and \
not changed. What is not said is taken from libvirt's description, guessed from the image, or usual (2 GiB of memory, 2 CPUs, \
virtio); --dry-run shows it. A machine that cannot be moved is refused here, with what to do about it, and never later.`;

function declared(): Command {
  return newCommand(
    "import",
    "Makes a workspace from a disk image.",
    [
      ["homeward import work debian.qcow2 --dry-run", "what it would become"],
      ["homeward import work debian.qcow2 --memory 2G --cpus 2", "a machine with that disk"],
      ["virsh dumpxml win > win.xml", ""],
      ["homeward import win --libvirt win.xml --cpu Nehalem", "a machine of libvirt's"],
    ],
    DETAILS,
    ["NOT_FOUND", "CONFLICT", "INCOMPATIBLE", "DAMAGED", "NO_ROOM"],
  )
    .argument("<name>", "1 to 32 lower-case letters, digits and hyphens")
    .argument("[image]", "path of the image; with --libvirt its description names it")
    .option("--libvirt <file>", 'what "virsh dumpxml" printed')
    .option("--memory <size>", "e.g. 512M or 2G", memorySize)
    .option("--cpus <count>", "virtual CPUs", wholeNumber(1, 64))
    .option("--cpu <model>", "a CPU model that every host can run, as QEMU names it")
    .option("--firmware <name>", FIRMWARES.join(" or "), oneOf(FIRMWARES))
    .option("--uefi-variables <file>", "what the UEFI firmware starts with, e.g. a copy of libvirt's NVRAM file")
    .option("--disk-bus <name>", DISK_BUSES.join(", "), oneOf(DISK_BUSES))
    .option("--nic <name>", `network card: ${NICS.join(", ")}`, oneOf(NICS))
    .option("--format <name>", `of the image, instead of finding out: ${IMAGE_FORMATS.join(", ")}`, oneOf(IMAGE_FORMATS))
    .option("--allow-host-loopback", "let its guest reach what listens on this computer's loopback, as 10.0.2.2")
    .option("--accelerator <name>", `run on ${ACCELERATORS.join(" or ")} instead of what was probed`, oneOf(ACCELERATORS))
    .option("--dry-run", "say what the machine would be, and make nothing");
}

export function importCommand(): CommandEntry {
  return {
    command: declared(),
    body: async (invocation, command) => {
      const options = command.opts<Options>();
      const image: unknown = command.processedArgs[1];
      const { memory, cpu, uefiVariables, libvirt, dryRun, ...rest } = options;
      const { cpus, firmware, diskBus, nic, format, accelerator } = rest;
      const result = await callService(invocation, "import", {
        workspace: argument(command, 0),
        image: typeof image === "string" ? resolve(image) : null,
        libvirt: libvirt === undefined ? null : await readDescription(libvirt),
        ...(memory === undefined ? {} : { memoryBytes: memory }),
        ...(cpu === undefined ? {} : { cpuModel: cpu }),
        ...(uefiVariables === undefined ? {} : { uefiVariables: resolve(uefiVariables) }),
        ...{ cpus, firmware, diskBus, nic, format, accelerator },
        hostLoopback: options.allowHostLoopback === true,
        dryRun: dryRun === true,
      });
      invocation.output.result(result, importText);
    },
  };
}
