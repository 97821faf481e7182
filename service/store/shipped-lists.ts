import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { DEVICES, type BlockRange, type DeviceName } from "../../protocol/residual.ts";
import { removeFile, writeFileDurably } from "./durable.ts";
import type { GenerationsStore } from "./generations-store.ts";
import type { MigrationsTable } from "./migrations-table.ts";
import type { StatePaths } from "./paths.ts";

const MAGIC = Buffer.from("HWSL");
const VERSION = 1;
/** A run takes 2 to 10 bytes. A longer list is not kept: nobody wants to read it. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/** Ascending runs of blocks of each device. */
export type BlockLists = Readonly<Record<DeviceName, Iterable<BlockRange>>>;

/** "HWSL", u8 version; for RAM and then the disk: varint runs, and for each the varints blocks left out since the one before, and blocks. */
export function encodeBlockLists(lists: BlockLists): Buffer {
  const writer = new ByteWriter().bytes(MAGIC).u8(VERSION);
  for (const device of DEVICES) {
    const runs = [...lists[device]];
    writer.varint(runs.length);
    let end = 0;
    for (const { block, count } of runs) {
      writer.varint(block - end).varint(count);
      end = block + count;
    }
  }
  return writer.finish();
}

/** @param blocks of each device, beyond which no run may go. @throws DAMAGED */
export function decodeBlockLists(data: Uint8Array, blocks: Readonly<Record<DeviceName, number>>): Readonly<Record<DeviceName, BlockRange[]>> {
  const reader = new ByteReader(data, "the list of blocks that were sent");
  const damaged = (): HomewardError => new HomewardError("DAMAGED", "the list of blocks that were sent is damaged");
  if (!reader.bytes(MAGIC.length).equals(MAGIC) || reader.u8() !== VERSION) throw damaged();
  const lists: Record<DeviceName, BlockRange[]> = { ram: [], disk: [] };
  for (const device of DEVICES) {
    let end = 0;
    for (let left = reader.varint(); left > 0; left--) {
      const block = end + reader.varint();
      const count = reader.varint();
      end = block + count;
      if (count === 0 || end > blocks[device]) throw damaged();
      lists[device].push({ block, count });
    }
  }
  reader.end();
  return lists;
}

/** Which blocks this host's migrations sent: a file for each in shipped/, kept as long as both generations are here. */
export class ShippedLists {
  readonly #paths: StatePaths;
  readonly #migrations: MigrationsTable;
  readonly #generations: GenerationsStore;

  constructor(paths: StatePaths, migrations: MigrationsTable, generations: GenerationsStore) {
    this.#paths = paths;
    this.#migrations = migrations;
    this.#generations = generations;
  }

  /** Durable when it returns; one that is too long is left out. */
  async write(migrationId: string, lists: BlockLists): Promise<void> {
    const data = encodeBlockLists(lists);
    if (data.length <= MAX_LIST_BYTES) await writeFileDurably(join(this.#paths.shipped, migrationId), data);
  }

  /** Null where there is none. @throws DAMAGED */
  async read(migrationId: string, blocks: Readonly<Record<DeviceName, number>>): Promise<Readonly<Record<DeviceName, BlockRange[]>> | null> {
    const data = await readBounded(join(this.#paths.shipped, migrationId));
    return data === null ? null : decodeBlockLists(data, blocks);
  }

  /** Removes the lists that can no longer be read for anything. */
  async collectGarbage(): Promise<void> {
    const unfinished = new Set(this.#migrations.unfinished().map(({ id }) => id));
    for (const name of await readdir(this.#paths.shipped))
      if (!unfinished.has(name) && !this.#isOfUse(name)) await removeFile(join(this.#paths.shipped, name));
  }

  #isOfUse(migrationId: string): boolean {
    const report = this.#migrations.report(migrationId);
    return report !== null && [report.base_root, report.root_source].every((root) => this.#generations.get(root) !== null);
  }
}

async function readBounded(path: string): Promise<Buffer | null> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > MAX_LIST_BYTES) throw new HomewardError("DAMAGED", `${path} is too large`);
    return await file.readFile();
  } catch (error) {
    if (toHomewardError(error).code === "NOT_FOUND") return null;
    throw error;
  }
}
