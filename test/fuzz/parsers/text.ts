import assert from "node:assert/strict";
import { parseSession } from "../../../demo/session/format.ts";
import { HomewardError } from "../../../common/errors.ts";
import { formatGuestDefinition, parseGuestDefinition } from "../../../guests/definition.ts";
import { formatHostId, parseHostId } from "../../../protocol/host-id.ts";
import { formatPeerAddress, parsePeerAddress } from "../../../protocol/peer-address.ts";
import { readLibvirt } from "../../../service/import/libvirt.ts";
import { countConnections } from "../../../vm/network-status.ts";
import { CARD, description, DISK } from "../../unit/libvirt-description.ts";
import type { FuzzedParser } from "../parser.ts";
import { assertSameJson } from "../same-json.ts";
import { randomBytes } from "../random.ts";

/** Elements and attributes that mean something in libvirt's description of a machine. */
const XML_WORDS = [
  "<", ">", "/>", "</", "<!--", "-->", "<![CDATA[", "]]>", "<?x", "?>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;", "&amp;", "&#x41;", "&#0;",
  "'", '"', "=", "domain", "<domain type='xen'>", "<devices>", "</devices>", "</domain>", "<cpu mode='host-model'/>",
  "<cpu><model>Nehalem</model><feature name='vmx'/></cpu>", "<os firmware='efi'/>", "<nvram>/var/vars.fd</nvram>",
  "<loader type='pflash' secure='yes'/>", "<firmware><feature enabled='yes' name='secure-boot'/></firmware>", "<kernel>/boot/x</kernel>",
  "<hostdev/>", "<tpm/>", "<sound/>", "<frob/>", "<toString/>", "<launchSecurity/>", "<qemu:commandline><a/></qemu:commandline>",
  "unit='TiB'", "unit='constructor'", "999999999999999", "-1", "1e9", "<encryption/>", "<disk device='cdrom'><source file='/a'/></disk>",
  "<disk device='floppy'/>", "<interface type='hostdev'/>", "<model type='virtio'/>", "<clock offset='utc'/>", "__proto__",
  "<type arch='aarch64'>exe</type>", "bus='scsi'", "bus='virtio'", "type='qcow2'", "<name/>",
];

const UEFI = "<os firmware='efi'><type arch='x86_64' machine='pc'>hvm</type><nvram>/var/lib/vars.fd</nvram></os>";

export function libvirt(): FuzzedParser {
  const given = { image: false, diskBus: false, nic: false, cpuModel: false };
  return {
    name: "libvirt",
    code: [
      { file: "service/import/xml.ts" },
      { file: "service/import/libvirt.ts" },
      { file: "service/import/libvirt-parts.ts" },
      { file: "service/import/libvirt-devices.ts" },
    ],
    shape: "text",
    words: XML_WORDS,
    codes: ["USAGE", "INCOMPATIBLE"],
    valid: () =>
      [
        description(),
        description({ os: UEFI }),
        description({ os: `<os><type>hvm</type><loader type='pflash'>/x</loader></os>`, card: "", cpu: "" }),
        description({ card: CARD.replace("e1000e", "virtio").replace("network'", "user'"), disk: DISK.replace("sata", "virtio") }),
        "<domain type='qemu'><devices><disk><source file='/a'/></disk></devices></domain>",
      ].map((text) => Buffer.from(text)),
    refused: [
      description({ domain: " type2='x'" }).replace("type='kvm'", "type='xen'"),
      description({ os: "<os><type arch='aarch64'>exe</type><kernel>/boot/x</kernel></os>", cpu: "<cpu mode='host-model'/>" }),
      description({ more: "<launchSecurity/><qemu:commandline><a/></qemu:commandline>", devices: "<hostdev/><toString/>" }),
      description({ os: "<os firmware='efi'><loader secure='yes'/><firmware><feature enabled='yes' name='secure-boot'/></firmware></os>" }),
      description({ disk: DISK.replace("sata", "scsi") + DISK, card: CARD + CARD.replace("network", "hostdev") }),
      description({ disk: "<disk device='cdrom'><source file='/a'/></disk>" }),
      description({ disk: "<disk type='block'><source dev='/dev/sda'/><encryption/></disk>" }),
      description().replace("unit='KiB'", "unit='constructor'"),
      description().replace("2097152", "two"),
      "<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>",
      "<network/>",
      "<a/><b/>",
      "<d>".repeat(40) + "</d>".repeat(40),
    ].map((text) => Buffer.from(text)),
    parse: (input, random) => {
      const user = random(3) === 0 ? { image: true, diskBus: true, nic: true, cpuModel: true } : given;
      const machine = readLibvirt(input.toString(), user);
      assert.ok(machine.memoryBytes === null || Number.isSafeInteger(machine.memoryBytes));
      assert.ok(machine.cpus === null || Number.isSafeInteger(machine.cpus));
      for (const path of [machine.image, machine.uefiVariables]) assert.ok(path === null || path.startsWith("/"));
      return true;
    },
  };
}

const SESSION = {
  name: "sample",
  description: "One of each.",
  guest: "desktop",
  pace: { key_ms: 90, move_ms: 400, pause_ms: 350, jitter: 0.3, seed: 1 },
  steps: [
    { type: "ls -l\n" },
    { keys: "ctrl-s" },
    { click: [10, 20] },
    { click: { at: [30, 40], button: "right" } },
    { double: [50, 60] },
    { drag: [[1, 2], [3, 4]] },
    { scroll: { at: [5, 6], by: -3 } },
    { wait: 2.5 },
    { wait_still: 1 },
    { wait_still: { seconds: 1, changed: 10, timeout: 30 } },
  ],
};

export function session(): FuzzedParser {
  return {
    name: "session",
    code: [{ file: "demo/session/format.ts" }, { file: "demo/session/keys.ts" }],
    shape: "json",
    codes: ["USAGE"],
    valid: () => [
      Buffer.from(JSON.stringify(SESSION)),
      ...["-", "ctrl--", "ctrl-A", "super", "alt-f4"].map((keys) => Buffer.from(JSON.stringify({ ...SESSION, steps: [{ keys }] }))),
    ],
    refused: ["ctrl-ctrl-a", "ctrl-", "hyper-x", "", "ctrl-é"].map((keys) =>
      Buffer.from(JSON.stringify({ ...SESSION, steps: [{ keys }] })),
    ),
    parse: (input) => {
      const parsed = parseSession(input.toString());
      // What was filled in is accepted like what was written.
      assertSameJson(parseSession(JSON.stringify(parsed)), parsed);
      return true;
    },
  };
}

const GUEST = {
  name: "tiny",
  format: 1,
  memoryMiB: 128,
  cpus: 1,
  kernel: "kernel",
  initrd: "initrd",
  append: "root=/dev/vda rw",
  disk: { file: "disk.qcow2", bytes: 67_108_864 },
  display: { width: 1024, height: 768 },
  description: "A tiny guest.",
};

export function guestDefinition(): FuzzedParser {
  return {
    name: "guest-definition",
    code: [{ file: "guests/definition.ts", functions: ["parseGuestDefinition", "formatGuestDefinition"] }],
    shape: "json",
    codes: ["DAMAGED"],
    valid: () => [Buffer.from(JSON.stringify(GUEST))],
    refused: [Buffer.from(JSON.stringify({ ...GUEST, description: "x".repeat(70_000) }))],
    parse: (input) => {
      const parsed = parseGuestDefinition(input.toString());
      assertSameJson(parseGuestDefinition(formatGuestDefinition(parsed)), parsed);
      return true;
    },
  };
}

/** An ID with a fitting check digit, but bits of the hash after its end. */
function overlongId(): Buffer {
  const id = formatHostId(Buffer.alloc(32, 1));
  for (const a of "BCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    for (const b of "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") {
      const changed = id.slice(0, -2) + a + b;
      try {
        parseHostId(changed);
      } catch (error) {
        if (error instanceof HomewardError && error.message.includes("last group")) return Buffer.from(changed);
      }
    }
  throw new Error("there is none");
}

/** What a person types to name a host. */
export function hostId(): FuzzedParser {
  return {
    name: "host-id",
    code: [{ file: "protocol/host-id.ts" }],
    shape: "text",
    refused: [overlongId()],
    words: ["-", " ", "0", "1", "8", "ß", "ﬁ", "ı", "A", "7", "AAAAAAA", "\n"],
    codes: ["USAGE"],
    valid: (random) =>
      Array.from({ length: 30 }, (_, i) => {
        const id = formatHostId(randomBytes(random, 32));
        return Buffer.from([id, id.toLowerCase(), id.replaceAll("-", " "), id.replaceAll("O", "0")][i % 4] ?? id);
      }),
    parse: (input) => {
      const id = parseHostId(input.toString());
      assert.equal(parseHostId(id), id);
      assert.match(id, /^[A-Z2-7]{7}(?:-[A-Z2-7]{7}){7}$/);
      return true;
    },
  };
}

export function peerAddress(): FuzzedParser {
  return {
    name: "peer-address",
    code: [{ file: "protocol/peer-address.ts" }],
    shape: "text",
    words: [":", "::", "[", "]", "-", ".", "65536", "0", "%eth0", "-oProxyCommand=x", "\n", "::ffff:1.2.3.4"],
    codes: ["USAGE"],
    valid: () => ["home.example:7411", "192.0.2.1:1", "[fd00::2]:65535", "h:80"].map((text) => Buffer.from(text)),
    parse: (input) => {
      const address = parsePeerAddress(input.toString());
      assert.deepEqual(parsePeerAddress(formatPeerAddress(address)), address);
      assert.doesNotMatch(address.host, /^-|[^0-9A-Za-z.:-]/);
      return true;
    },
  };
}

/** What QEMU's monitor says about the guest's connections. */
export function networkStatus(): FuzzedParser {
  const line = "  TCP[ESTABLISHED]   12    10.0.2.15 41000     93.184.216.34   443     0     0\n";
  return {
    name: "network-status",
    code: [{ file: "vm/network-status.ts" }],
    shape: "text",
    words: ["TCP[", "UDP[", "]", "HOST_FORWARD", "CLOSED", "\n", " ".repeat(1000)],
    codes: [],
    valid: () => [Buffer.from(`VLAN -1 (net0):\n${line}${line.replace("ESTABLISHED", "CLOSED")}`), Buffer.from("")],
    parse: (input) => {
      const text = input.toString();
      assert.ok(countConnections(text) <= text.split("\n").length);
      return true;
    },
  };
}
