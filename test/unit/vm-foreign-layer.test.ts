import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkForeignLayer, whyNoLayer } from "../../vm/foreign-layer.ts";

const GIB = 2 ** 30;
const CLUSTER = 2 ** 17;
const FILE_BYTES = 8 * CLUSTER;
/** Offsets of the header's fields. */
const AT = {
  version: 4, backingAt: 8, backingBytes: 16, clusterBits: 20, size: 24, crypt: 32, l1Entries: 36, l1At: 40,
  refcountAt: 48, refcountClusters: 56, snapshots: 60, snapshotsAt: 64, incompatible: 72, compatible: 80, autoclear: 88,
  refcountOrder: 96, headerBytes: 100, compression: 104, extension: 112,
} as const;
const FEATURE_NAMES = 0x6803f857;

/** The beginning of a layer for a disk of 4 GiB, as `qemu-img create` writes it with the options of createOverlay. */
function layer(change: (data: Buffer) => void = () => undefined): Buffer {
  const data = Buffer.alloc(4096);
  data.write("QFI\xfb", 0, "latin1");
  data.writeUInt32BE(3, AT.version);
  data.writeUInt32BE(17, AT.clusterBits);
  data.writeBigUInt64BE(BigInt(4 * GIB), AT.size);
  data.writeUInt32BE(4, AT.l1Entries);
  data.writeBigUInt64BE(BigInt(3 * CLUSTER), AT.l1At);
  data.writeBigUInt64BE(BigInt(CLUSTER), AT.refcountAt);
  data.writeUInt32BE(1, AT.refcountClusters);
  data.writeBigUInt64BE(16n, AT.incompatible);
  data.writeUInt32BE(4, AT.refcountOrder);
  data.writeUInt32BE(112, AT.headerBytes);
  data.writeUInt32BE(FEATURE_NAMES, AT.extension);
  data.writeUInt32BE(384, AT.extension + 4);
  change(data);
  return data;
}

test("a layer as the tools make it is one", () => {
  expect(whyNoLayer(layer(), FILE_BYTES, 4 * GIB)).toBeNull();
  // A machine's disk never shrinks, so a lower layer may be smaller than it.
  expect(whyNoLayer(layer(), FILE_BYTES, 8 * GIB)).toBeNull();
});

const u32 = (at: number, value: number) => (data: Buffer) => data.writeUInt32BE(value, at);
const u64 = (at: number, value: bigint) => (data: Buffer) => data.writeBigUInt64BE(value, at);

function extension(type: number, text: string): (data: Buffer) => void {
  return (data) => {
    data.writeUInt32BE(type, AT.extension);
    data.writeUInt32BE(text.length, AT.extension + 4);
    data.write(text, AT.extension + 8, "latin1");
  };
}

function backing(name: string): (data: Buffer) => void {
  return (data) => {
    data.writeBigUInt64BE(1024n, AT.backingAt);
    data.writeUInt32BE(name.length, AT.backingBytes);
    data.write(name, 1024, "latin1");
  };
}

const BACKING = [
  "/etc/shadow",
  "../../identity.pem",
  'json:{"driver":"nbd","host":"127.0.0.1","port":"22"}',
  "nbd:unix:/run/other.sock",
  "file:/etc/shadow",
  "fat:rw:/home",
  "-drive,file=/etc/shadow",
];

test.each<[string, RegExp, (data: Buffer) => void]>([
  ...BACKING.map((name): [string, RegExp, (data: Buffer) => void] => [`backing file ${name}`, /backing file/, backing(name)]),
  ["a length of a backing name without its place", /backing file/, u32(AT.backingBytes, 11)],
  ["data in another file", /another file/, u64(AT.incompatible, 4n)],
  ["the name of a data file", /extension/, extension(0x44415441, "/etc/shadow")],
  ["the format of a backing file", /extension/, extension(0xe2792aca, "raw")],
  ["bitmaps", /extension/, extension(0x23852875, "")],
  ["a place for encryption's header", /extension/, extension(0x0537be77, "")],
  ["an unknown extension", /extension/, extension(0x12345678, "")],
  ["an extension beyond the header's end", /without an end/, u32(AT.extension + 4, 0xffffffff)],
  ["a dirty mark", /features/, u64(AT.incompatible, 1n)],
  ["corruption", /corrupt/, u64(AT.incompatible, 2n)],
  ["another compression", /features/, u64(AT.incompatible, 8n)],
  ["the kind of another compression", /features/, (data) => data.writeUInt8(1, AT.compression)],
  ["an unknown feature", /features/, u64(AT.incompatible, 1n << 40n)],
  ["lazy reference counts", /features/, u64(AT.compatible, 1n)],
  ["a feature that is cleared by who does not know it", /features/, u64(AT.autoclear, 2n)],
  ["encryption with AES", /encrypted/, u32(AT.crypt, 1)],
  ["encryption with LUKS", /encrypted/, u32(AT.crypt, 2)],
  ["snapshots", /snapshots/, u32(AT.snapshots, 1)],
  ["a place for snapshots", /snapshots/, u64(AT.snapshotsAt, 65536n)],
  ["version 2", /version/, u32(AT.version, 2)],
  ["a version to come", /version/, u32(AT.version, 4)],
  ["no size", /disk of/, u64(AT.size, 0n)],
  ["a larger disk than the machine's", /disk of/, u64(AT.size, BigInt(4 * GIB) + 512n)],
  ["an absurd size", /disk of/, u64(AT.size, (1n << 64n) - 1n)],
  ["tiny clusters", /clusters/, u32(AT.clusterBits, 9)],
  ["no such clusters", /clusters/, u32(AT.clusterBits, 63)],
  ["reference counts of 1 bit", /reference counts/, u32(AT.refcountOrder, 0)],
  ["an L1 table beyond the file", /tables/, u64(AT.l1At, BigInt(FILE_BYTES))],
  ["an L1 table in the header", /tables/, u64(AT.l1At, 0n)],
  ["an L1 table between clusters", /tables/, u64(AT.l1At, BigInt(CLUSTER) + 8n)],
  ["an L1 table that wraps around", /tables/, u64(AT.l1At, (1n << 64n) - BigInt(CLUSTER))],
  ["a huge L1 table", /tables/, u32(AT.l1Entries, 0xffffffff)],
  ["an L1 table too small for the disk", /tables/, u32(AT.l1Entries, 3)],
  ["a reference count table beyond the file", /tables/, u64(AT.refcountAt, BigInt(FILE_BYTES))],
  ["a huge reference count table", /tables/, u32(AT.refcountClusters, 0xffffffff)],
  ["no reference count table", /tables/, u32(AT.refcountClusters, 0)],
  ["a longer header", /header of another size/, u32(AT.headerBytes, 4000)],
  ["a shorter header", /header of another size/, u32(AT.headerBytes, 96)],
  ["another kind of file", /not a qcow2/, (data) => data.write("KDMV", 0)],
])("%s is refused", (_, why, change) => {
  expect(whyNoLayer(layer(change), FILE_BYTES, 4 * GIB)).toMatch(why);
});

test("a header cut short is refused, wherever", () => {
  for (let length = 0; length < AT.extension + 8; length++)
    expect(whyNoLayer(layer().subarray(0, length), FILE_BYTES, 4 * GIB)).not.toBeNull();
});

test("a file larger than its disk could need is refused", () => {
  expect(whyNoLayer(layer(), 4 * GIB + 64 * CLUSTER, 4 * GIB)).toBeNull();
  expect(whyNoLayer(layer(), 6 * GIB, 4 * GIB)).toMatch(/too large/);
});

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-layer-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

test("what is no regular file is refused: a link, a folder", async () => {
  const real = join(dir, "real");
  await writeFile(real, Buffer.concat([layer(), Buffer.alloc(FILE_BYTES - 4096)]));
  await expect(checkForeignLayer(real, 4 * GIB)).resolves.toBeUndefined();
  await expect(checkForeignLayer(real, 2 * GIB)).rejects.toMatchObject({ code: "PEER" });
  await symlink(real, join(dir, "link"));
  await mkdir(join(dir, "folder"));
  for (const name of ["link", "folder"])
    await expect(checkForeignLayer(join(dir, name), 4 * GIB)).rejects.toThrow(/not a file/);
  await expect(checkForeignLayer(join(dir, "missing"), 4 * GIB)).rejects.toThrow("ENOENT");
});
