import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { ByteWriter } from "../../../common/bytes.ts";
import { HomewardError } from "../../../common/errors.ts";
import { openIdentity } from "../../../service/peers/identity.ts";
import { lockHolder } from "../../../service/store/lock.ts";
import { generationPaths } from "../../../service/store/paths.ts";
import { readGenerationFolder } from "../../../service/workspaces/generation-folder.ts";
import { readGuestFolder } from "../../../service/workspaces/guest-folder.ts";
import { BlockHashes } from "../../../syncer/block-hashes.ts";
import { applyDelta, encodeDelta } from "../../../syncer/delta.ts";
import { generationRoot } from "../../../syncer/generation-root.ts";
import { decodeLeaves, encodeLeaves } from "../../../syncer/merkle-file.ts";
import { MerkleTree } from "../../../syncer/merkle.ts";
import { readQcow2Header } from "../../../vm/image-header.ts";
import { readBootRecord } from "../../../vm/source/boot-record.ts";
import { readSourceFile } from "../../../vm/source/image-format.ts";
import { BIOS_BOOT_GUID, ESP_GUID, gpt, LINUX_GUID, mbr } from "../../images/partitions.ts";
import { machine } from "../../unit/store-fixtures.ts";
import { MACHINE, soundManifest } from "../samples.ts";
import type { FuzzedParser } from "../parser.ts";
import { randomBytes, type Random } from "../random.ts";

/** Parsers that read files; an input becomes a file in `dir`. */

export function generationManifest(dir: string): FuzzedParser {
  const path = generationPaths(dir).manifest;
  return {
    name: "generation-manifest",
    code: [{ file: "service/workspaces/generation-folder.ts", functions: ["readGenerationFolder", "damaged"] }],
    shape: "json",
    codes: ["DAMAGED"],
    largestBytes: 128 * 1024,
    valid: () => [MACHINE, machine].map((definition) => Buffer.from(JSON.stringify(soundManifest(definition)))),
    parse: async (input) => {
      writeFileSync(path, input);
      const manifest = await readGenerationFolder(dir);
      assert.equal(generationRoot(manifest), manifest.root);
      return true;
    },
  };
}

export function guestFolder(dir: string): FuzzedParser {
  const guest = {
    format: 1,
    name: "tiny",
    memoryMiB: 128,
    cpus: 1,
    kernel: "kernel",
    initrd: null,
    append: "quiet",
    disk: { file: "disk.qcow2", bytes: 67_108_864 },
  };
  return {
    name: "guest-folder",
    code: [{ file: "service/workspaces/guest-folder.ts", functions: ["readBounded", "readGuestFolder"] }],
    shape: "json",
    codes: ["DAMAGED"],
    largestBytes: 128 * 1024,
    valid: () => [Buffer.from(JSON.stringify(guest))],
    refused: [Buffer.from(JSON.stringify({ ...guest, description: "x".repeat(70_000) }))],
    parse: async (input) => {
      writeFileSync(join(dir, "guest.json"), input);
      const found = await readGuestFolder(dir);
      for (const name of [found.kernel, found.initrd, found.disk.file]) assert.doesNotMatch(name ?? "", /\/|^\./);
      return true;
    },
  };
}

function qcow2(random: Random): Buffer {
  const data = Buffer.alloc(104);
  data.write("QFI\xfb", 0, "latin1");
  data.writeUInt32BE(2 + random(2), 4);
  data.writeUInt32BE(16, 20);
  data.writeBigUInt64BE(BigInt(random(2 ** 31)), 24);
  data.writeBigUInt64BE(BigInt(random(2)), 72);
  return data;
}

export function qcow2Header(dir: string): FuzzedParser {
  const path = join(dir, "image");
  return {
    name: "qcow2-header",
    code: [{ file: "vm/image-header.ts", functions: ["readStart", "parseHeader", "readQcow2Header"] }],
    shape: "bytes",
    codes: ["DAMAGED", "USAGE", "NOT_FOUND", "ENVIRONMENT"],
    valid: (random) => Array.from({ length: 10 }, () => qcow2(random)),
    parse: async (input, random) => {
      writeFileSync(path, input);
      await assert.rejects(readQcow2Header(random(2) === 0 ? dir : join(dir, "missing")), HomewardError);
      const header = await readQcow2Header(path);
      if (header !== null) assert.ok(Number.isSafeInteger(header.virtualBytes) && header.virtualBytes >= 0);
      return header !== null;
    },
  };
}

const SECTORS = 204_800;
const CODE = Buffer.from("eb63", "hex");

export function bootRecord(): FuzzedParser {
  const linux = { first: 4096, count: 1000, type: 0x83 };
  return {
    name: "boot-record",
    code: [{ file: "vm/source/boot-record.ts" }],
    shape: "bytes",
    codes: ["DAMAGED"],
    valid: () => [
      mbr([linux, { ...linux, type: 0xef }], CODE),
      mbr([{ ...linux, type: 7 }]),
      gpt([{ first: 34, count: 100, type: BIOS_BOOT_GUID }, { ...linux, type: LINUX_GUID }], SECTORS, CODE),
      gpt([{ ...linux, type: ESP_GUID }], SECTORS).subarray(0, 2048),
    ],
    parse: (input) => {
      const found = readBootRecord(input, SECTORS * 512, "/image");
      if (found !== null) assert.ok(["gpt", "mbr", "none"].includes(found.partitions));
      return found !== null;
    },
  };
}

/** The beginning of a sparse VMware disk in one file. */
function vmdk(lines: readonly string[]): Buffer {
  const data = Buffer.alloc(1024);
  data.write("KDMV", 0, "latin1");
  data.writeUInt32LE(1, 4);
  data.writeBigUInt64LE(2048n, 12);
  data.writeBigUInt64LE(1n, 28);
  data.writeBigUInt64LE(1n, 36);
  data.write(lines.join("\n"), 512);
  return data;
}

function vdi(): Buffer {
  const data = Buffer.alloc(0x1c8);
  data.writeUInt32LE(0xbeda107f, 0x40);
  data.writeUInt32LE(0x100, 0x158);
  data.writeUInt32LE(0x40, 0x178);
  data.writeUInt32LE(2, 0x184);
  return data;
}

export function imageFormat(dir: string): FuzzedParser {
  const path = join(dir, "image");
  return {
    name: "image-format",
    code: [{ file: "vm/source/image-format.ts" }],
    shape: "text",
    words: [
      "KDMV", "COWD", "QFI\xfb", "vhdxfile", "LUKS\xba\xbe", "\x1f\x8b", "BZh", "# Disk DescriptorFile", "createType=\"monolithicSparse\"",
      "createType=streamOptimized", "parentCID=ffffffff", "parentCID=0", "\n", "\0".repeat(8), "\xff".repeat(8),
    ],
    codes: ["USAGE", "DAMAGED", "NOT_FOUND", "ENVIRONMENT"],
    largestBytes: 64 * 1024,
    valid: (random) => [
      qcow2(random),
      vdi(),
      vmdk(["CID=1", "parentCID=ffffffff", 'createType="monolithicSparse"']),
      vmdk(["createType=streamOptimized", ""]),
      Buffer.from("any disk"),
      mbr([], CODE),
    ],
    parse: async (input, random) => {
      writeFileSync(path, input);
      for (const stated of ["raw", "qcow2", "vmdk", "vdi"] as const)
        await readSourceFile(path, stated).catch((error: unknown) => {
          if (!(error instanceof HomewardError) || error.code === "INTERNAL") throw error;
        });
      await assert.rejects(readSourceFile(random(2) === 0 ? dir : join(dir, "missing"), null), HomewardError);
      const file = await readSourceFile(path, null);
      assert.equal(file.path, path);
      return true;
    },
  };
}

/** A stored hash tree. */
export function merkleFile(): FuzzedParser {
  return {
    name: "hash-tree",
    code: [{ file: "syncer/merkle-file.ts" }],
    shape: "bytes",
    codes: ["DAMAGED"],
    valid: (random) =>
      Promise.all(
        [0, 1, 16, 17, 1000, 40_000].map(async (blocks) => {
          const count = Math.ceil(blocks / 16);
          const root = "ab".repeat(32);
          const empty = await encodeLeaves(Buffer.alloc(0), 0, root);
          // A bit for each leaf, and the hashes of those that are not zero.
          const bits = Buffer.alloc(Math.ceil(count / 8));
          const hashes: Buffer[] = [];
          for (let leaf = 0; leaf < count; leaf++) {
            if (random(20) !== 0) continue;
            bits[leaf >>> 3] = (bits[leaf >>> 3] ?? 0) | (1 << (leaf & 7));
            hashes.push(randomBytes(random, 32));
          }
          const data = Buffer.concat([empty, bits, ...hashes]);
          data.writeBigUInt64BE(BigInt(blocks), 5);
          return data;
        }),
      ),
    // A bit stands for the 32 bytes of a leaf.
    largestBytes: 1024 * 1024 * 1024,
    parse: async (input) => {
      const { leaves, blocks, root } = await decodeLeaves(input);
      assert.ok(leaves.length <= 256 * input.length, "more leaves than the file has bits for");
      assert.deepEqual(await decodeLeaves(await encodeLeaves(leaves, blocks, root)), { leaves, blocks, root });
      await assert.rejects(MerkleTree.decode(input), { code: "DAMAGED" });
      await assert.rejects(decodeLeaves(input, blocks + 1), { code: "DAMAGED" });
      return true;
    },
  };
}

export function blockHashes(dir: string): FuzzedParser {
  const path = join(dir, "hashes");
  return {
    name: "block-hashes",
    code: [{ file: "syncer/block-hashes.ts", functions: ["open", "stretches", "window", "close"] }],
    shape: "bytes",
    codes: ["DAMAGED", "NOT_FOUND"],
    largestBytes: 512 * 1024,
    valid: (random) =>
      [0, 1, 5, 40].map((blocks) => {
        const header = Buffer.alloc(32);
        header.write("HWBH\x01", "latin1");
        header.writeBigUInt64BE(BigInt(blocks), 8);
        header.writeBigUInt64BE(BigInt(blocks), 16);
        return Buffer.concat([header, randomBytes(random, 8 * blocks)]);
      }),
    parse: async (input, random) => {
      writeFileSync(path, input);
      if (random(50) === 0) await assert.rejects(BlockHashes.open(join(dir, "missing")), { code: "NOT_FOUND" });
      const hashes = await BlockHashes.open(path);
      try {
        let blocks = 0;
        for await (const stretch of hashes.stretches()) blocks += stretch.hashes.length / 8;
        assert.equal(blocks, hashes.blocks);
        assert.ok(hashes.nonZero <= hashes.blocks, "more blocks are not zero than there are");
        // Another program cuts it off.
        writeFileSync(path, input.subarray(0, 32));
        if (blocks > 0) await assert.rejects(hashes.window(0, Buffer.alloc(8)), { code: "DAMAGED" });
      } finally {
        await hashes.close();
      }
      return true;
    },
  };
}

/** The device state as it crosses the link. */
export function deviceDelta(dir: string): FuzzedParser {
  const [base, target, out] = ["base", "target", "out"].map((name) => join(dir, name)) as [string, string, string];
  const abc = zstdCompressSync("abc");
  return {
    name: "device-delta",
    code: [{ file: "syncer/delta.ts", functions: ["applyDelta", "apply", "check"] }],
    shape: "bytes",
    codes: ["DAMAGED", "PEER"],
    // What is unpacked comes in pieces of this.
    largestBytes: 1024 * 1024,
    refused: [
      new ByteWriter().bytes(Buffer.from("HWDD\x02\0")).bytes(Buffer.alloc(8)).varint(2 ** 30).finish(),
      new ByteWriter().bytes(Buffer.from("HWDD\x02\0")).bytes(Buffer.alloc(8)).varint(5).varint(abc.length).bytes(abc).finish(),
    ],
    valid: async (random) => {
      const deltas: Buffer[] = [];
      writeFileSync(base, randomBytes(random, 3000));
      for (let i = 0; i < 6; i++) {
        writeFileSync(target, Buffer.concat([readFileSync(base).subarray(i), randomBytes(random, 20)]));
        deltas.push(await encodeDelta(target, i % 2 === 0 ? base : null, 3));
      }
      return deltas;
    },
    parse: async (input, random) => {
      if (random(20) === 0)
        await applyDelta(input, join(dir, "missing"), out).catch((error: unknown) => {
          assert.ok(error instanceof HomewardError);
        });
      await applyDelta(input, base, out);
      assert.ok(existsSync(out));
      return true;
    },
  };
}

/** The key and certificate of this host. */
export function identity(dir: string): FuzzedParser {
  const path = join(dir, "identity.pem");
  return {
    name: "identity",
    code: [{ file: "service/peers/identity.ts", functions: ["parse", "idOfCertificate"] }],
    shape: "text",
    words: ["-----BEGIN PRIVATE KEY-----\n", "-----END CERTIFICATE-----\n", "\n", "A", "=", "MII"],
    codes: ["DAMAGED"],
    valid: async () => {
      await openIdentity(path);
      return [readFileSync(path)];
    },
    parse: async (input) => {
      writeFileSync(path, input);
      const { id, key, certificate } = await openIdentity(path);
      writeFileSync(path, key + certificate);
      assert.equal((await openIdentity(path)).id, id);
      return true;
    },
  };
}

/** Who has a state folder. Whatever is in that file, it never keeps a service from starting for ever. */
export function lockFile(dir: string): FuzzedParser {
  const path = join(dir, "lock");
  mkdirSync(dir, { recursive: true });
  return {
    name: "lock",
    code: [{ file: "service/store/lock.ts", functions: ["readLock", "lockHolder"] }],
    shape: "json",
    codes: [],
    valid: () => {
      const bootId = existsSync("/proc/sys/kernel/random/boot_id") ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : "";
      const startTime = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[19] ?? "";
      return [Buffer.from(JSON.stringify({ pid: process.pid, startTime, bootId }))];
    },
    parse: async (input) => {
      writeFileSync(path, input);
      const holder = await lockHolder(path);
      assert.ok(holder === null || Number.isSafeInteger(holder));
      return holder !== null;
    },
  };
}
