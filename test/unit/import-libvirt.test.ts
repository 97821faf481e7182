import { describe, expect, test } from "vitest";
import type { HomewardError } from "../../common/errors.ts";
import { readLibvirt, type Given } from "../../service/import/libvirt.ts";
import { parseXml } from "../../service/import/xml.ts";
import { CARD, description, DISK, type Parts } from "./libvirt-description.ts";

const NOTHING_GIVEN: Given = { image: false, diskBus: false, nic: false, cpuModel: false };

function refusal(parts: Parts, given: Partial<Given> = {}): HomewardError {
  try {
    readLibvirt(description(parts), { ...NOTHING_GIVEN, ...given });
  } catch (error) {
    return error as HomewardError;
  }
  throw new Error("it was not refused");
}

test("a machine of libvirt's is read, and what will be different is said", () => {
  expect(readLibvirt(description(), NOTHING_GIVEN)).toEqual({
    image: "/var/lib/libvirt/images/debian & co.qcow2",
    format: "qcow2",
    memoryBytes: 2 ** 31,
    cpus: 2,
    cpuModel: "Westmere",
    firmware: "bios",
    uefiVariables: null,
    diskBus: "sata",
    nic: "e1000",
    mac: "52:54:00:ab:cd:ef",
    notes: [
      "left out: an empty cdrom drive",
      "its network becomes a private one behind this computer: it reaches out, and nobody reaches in",
      "its network card, e1000e, becomes an e1000",
      "left out: sound, rng",
      "its chipset becomes i440fx: devices get other addresses, and a network card may get another name",
      'its clock shows UTC, and not "localtime" as before',
    ],
  });
});

test("a machine with UEFI firmware keeps its variables", () => {
  const type = "<type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>";
  const loader = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>";
  const old = readLibvirt(description({ os: `<os>${type}${loader}<nvram>/v/debian12.fd</nvram></os>` }), NOTHING_GIVEN);
  expect(old).toMatchObject({ firmware: "uefi", uefiVariables: "/v/debian12.fd" });
  const auto = readLibvirt(description({ os: `<os firmware='efi'>${type}</os>` }), NOTHING_GIVEN);
  expect(auto).toMatchObject({ firmware: "uefi", uefiVariables: null });
});

test.each([
  ["<memory unit='GiB'>1</memory>", 2 ** 30],
  ["<memory unit='MB'>512</memory>", 512e6],
  ["<memory>4096</memory>", 2 ** 22],
])("memory: %s", (memory, bytes) => {
  const text = description().replace("<memory unit='KiB'>2097152</memory>", memory);
  expect(readLibvirt(text, NOTHING_GIVEN).memoryBytes).toBe(bytes);
});

test.each(["<memory unit='furlong'>1</memory>", "<memory unit='constructor'>1</memory>", "<memory>-1</memory>", "<memory>1e9</memory>"])(
  "memory that is none: %s",
  (memory) => {
    const text = description().replace("<memory unit='KiB'>2097152</memory>", memory);
    expect(() => readLibvirt(text, NOTHING_GIVEN)).toThrow(expect.objectContaining({ code: "USAGE" }));
  },
);

describe("what cannot be moved is refused with the reason and what to do", () => {
  const pci = "<hostdev mode='subsystem' type='pci' managed='yes'><source/></hostdev>";
  const os = "<os firmware='efi'><type arch='x86_64'>hvm</type><loader secure='yes'/></os>";
  const disc = "<disk type='file' device='cdrom'><source file='/iso'/><target dev='sdc' bus='sata'/></disk>";
  test.each<[string, Parts, RegExp, RegExp]>([
    ["a PCI device", { devices: pci }, /uses a device of its computer \(hostdev\)/, /Detach passed-through/],
    ["a shared folder", { devices: "<filesystem type='mount'/>" }, /shares folders/, /Unmount/],
    ["a TPM", { devices: "<tpm model='tpm-crb'/>" }, /has a TPM/, /Remove the TPM/],
    ["shared memory", { devices: "<shmem name='x'/>" }, /shares memory/, /shmem/],
    ["memory modules", { devices: "<memory model='dimm'/>" }, /memory modules/, /<memory>/],
    ["an unknown device", { devices: "<warpdrive/>" }, /not known here \(warpdrive\)/, /Remove <warpdrive>/],
    ["a device with a name of JavaScript's", { devices: "<constructor/>" }, /\(constructor\)/, /Remove/],
    ["several disks", { devices: DISK }, /has 2 disks, and one is supported/, /Detach/],
    ["a disc in the drive", { devices: disc }, /something in its cdrom drive/, /Eject/],
    ["no disk", { disk: "" }, /has no disk/, /Name an image/],
    ["a disk on a volume", { disk: DISK.replace("file='/var", "dev='/var") }, /not a file/, /qemu-img convert/],
    ["an encrypted disk", { disk: DISK.replace("<target", "<encryption format='luks'/><target") }, /encrypted/, /qemu-img/],
    ["a disk on SCSI", { disk: DISK.replace("bus='sata'", "bus='scsi'") }, /attached by scsi/, /--disk-bus/],
    ["a passed-through network card", { card: "<interface type='hostdev'/>" }, /network card of its computer/, /emulated/],
    ["two network cards", { card: CARD + CARD }, /2 network cards/, /--nic/],
    ["the computer's own CPU", { cpu: "<cpu mode='host-passthrough'/>" }, /"host-passthrough"/, /--cpu Nehalem/],
    ["a CPU chosen by the computer", { cpu: "<cpu mode='host-model'/>" }, /"host-model"/, /--cpu/],
    ["Secure Boot", { os }, /Secure Boot/, /Switch Secure Boot off/],
    ["another processor", { os: "<os><type arch='aarch64'>hvm</type></os>" }, /processor is aarch64/, /x86_64/],
    ["a container", { os: "<os><type>exe</type></os>" }, /not a whole computer/, /machines/],
    ["a kernel outside", { os: "<os><type>hvm</type><kernel>/k</kernel></os>" }, /kernel is a file/, /boot loader/],
    ["encrypted memory", { more: "<launchSecurity type='sev'/>" }, /memory is encrypted/, /Remove/],
    [
      "arguments of its own",
      { more: "<qemu:commandline xmlns:qemu='q'><qemu:arg value='-s'/></qemu:commandline>" },
      /arguments for QEMU/,
      /<qemu:commandline>/,
    ],
  ])("%s", (_, parts, message, hint) => {
    const error = refusal(parts);
    expect(error).toMatchObject({ code: "INCOMPATIBLE" });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^debian12 cannot be moved: /);
    expect(error.hint).toMatch(hint);
  });

  test("all of it at once", () => {
    const { message, data } = refusal({ devices: pci, cpu: "<cpu mode='host-passthrough'/>" });
    expect(message.split("; ").length).toBe(2);
    expect(data["obstacles"]).toHaveLength(2);
  });

  test("unless the user says what is to be there instead", () => {
    const parts = { disk: DISK.replace("bus='sata'", "bus='scsi'"), card: CARD + CARD, cpu: "<cpu mode='maximum'/>" };
    const given = { image: true, diskBus: true, nic: true, cpuModel: true };
    expect(readLibvirt(description(parts), given)).toMatchObject({ image: null, format: null, diskBus: null, cpuModel: null });
  });

  test("a machine that is not libvirt's", () => {
    expect(refusal({ domain: " x='" })).toMatchObject({ code: "USAGE" });
    const xen = description().replace("type='kvm'", "type='xen'");
    expect(() => readLibvirt(xen, NOTHING_GIVEN)).toThrow(/of the kind "xen"/);
    expect(() => readLibvirt("<network/>", NOTHING_GIVEN)).toThrow(/describes no machine, but is a <network>/);
  });
});

describe("XML from anywhere", () => {
  const laughs = `<!DOCTYPE domain [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><domain>&b;</domain>`;
  test.each<[string, string]>([
    ["nothing", ""],
    ["no XML", "memory: 2G"],
    ["two roots", "<a/><b/>"],
    ["what is not closed", "<a><b></a>"],
    ["entities that grow", laughs],
    ["a document type alone", "<!DOCTYPE domain><domain/>"],
    ["another file", `<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><domain>&f;</domain>`],
    ["an unknown entity", "<domain>&f;</domain>"],
    ["too many characters", `<a>${" ".repeat(256 * 1024)}</a>`],
    ["depth", "<a>".repeat(40) + "</a>".repeat(40)],
    ["too many elements", `<a>${"<b/>".repeat(20_000)}</a>`],
    ["the same attribute many times over", `<a ${"b='' ".repeat(30_000)}`],
  ])("%s is refused", (_, text) => {
    expect(() => parseXml(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  test("names of JavaScript's own are names like others", () => {
    const root = parseXml(`<a __proto__="x" constructor="y"><__proto__ toString="z"/></a>`);
    expect(root.attributes.get("constructor")).toBe("y");
    expect(root.children[0]).toMatchObject({ name: "__proto__" });
    expect(Object.getPrototypeOf(root.attributes)).toBe(Map.prototype);
  });

  test("damage of any kind is an error of the user's file, and nothing else", () => {
    const text = description();
    for (let i = 0; i < 2000; i++) {
      const at = (i * 7919) % text.length;
      const damaged = text.slice(0, at) + "<>&\"'/\0x".charAt(i % 8) + text.slice(at + (i % 3));
      try {
        readLibvirt(damaged, NOTHING_GIVEN);
      } catch (error) {
        expect(["USAGE", "INCOMPATIBLE"]).toContain((error as HomewardError).code);
      }
    }
  });
});
