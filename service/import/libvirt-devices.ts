import { elementAt, type XmlElement } from "./xml.ts";

/** Something that keeps a machine from being moved. */
export interface Obstacle {
  /** Half a sentence about "it". */
  readonly what: string;
  readonly hint: string;
}

/** Devices that belong to the computer the machine runs on, or to another program on it. */
const IMMOVABLE: Readonly<Record<string, Obstacle>> = {
  hostdev: {
    what: "it uses a device of its computer (hostdev)",
    hint: "Detach passed-through PCI and USB devices first.",
  },
  filesystem: {
    what: "it shares folders with its computer (filesystem)",
    hint: "Unmount and remove shared folders first, or use one over the network.",
  },
  tpm: { what: "it has a TPM", hint: "Remove the TPM first; if its disk is locked with it, add another key before." },
  shmem: { what: "it shares memory with other programs (shmem)", hint: "Remove <shmem> first." },
  memory: { what: "it has memory modules that can be plugged", hint: "Give it all its memory in <memory> instead." },
};

/** Devices that every machine here has, or that only say how libvirt reaches one. */
const REPLACED = new Set(
  "emulator controller input graphics video memballoon hub audio channel console serial redirdev redirfilter disk interface".split(
    " ",
  ),
);

/** Devices that a machine goes on without. */
const LEFT_OUT = new Set("sound rng watchdog panic smartcard vsock iommu pstore parallel lease crypto".split(" "));

/** What none of the other parts is about. Notes what is left out. */
export function deviceObstacles(domain: XmlElement, notes: string[]): Obstacle[] {
  const devices = elementAt(domain, "devices")?.children ?? [];
  const names = [...new Set(devices.map(({ name }) => name))].filter((name) => !REPLACED.has(name));
  const leftOut = names.filter((name) => LEFT_OUT.has(name));
  if (leftOut.length > 0) notes.push(`left out: ${leftOut.join(", ")}`);
  return names
    .filter((name) => !LEFT_OUT.has(name))
    .map((name) => {
      const known = Object.hasOwn(IMMOVABLE, name) ? IMMOVABLE[name] : undefined;
      return known ?? { what: `it has a device that is not known here (${name})`, hint: `Remove <${name}> first.` };
    });
}
