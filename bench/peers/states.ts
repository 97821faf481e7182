import { mkdir, open, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BASE, DUMP_FILES, SOURCE } from "../residual/dump.ts";

const CHUNK_BYTES = 64 * 1024;
const READ_BYTES = 4 * 1024 * 1024;
const EVERYTHING = [[0, Infinity]] as const;

/** One state as the peers get it. Paths are absolute. */
export interface StateFiles {
  /** The three files below are all that is in it. */
  readonly dir: string;
  readonly ram: string;
  /** Only what some state has written, in the order of the disk: hardly any program deals with holes. */
  readonly disk: string;
  readonly device: string;
  /** The three one after the other, for programs that take one file: what is cached in RAM is found on the disk. */
  readonly whole: string;
}

export interface States {
  readonly base: StateFiles;
  readonly source: StateFiles;
  /** RAM and disk of a twin after the replay, the base's device state. */
  readonly twin: StateFiles;
  /** What moves when nothing old is made use of: RAM, device state, and what the session wrote to its disk. */
  readonly moved: string;
  /** Says which parts of the disk the disk files consist of. It has to cross as well. */
  readonly map: string;
}

/** Which chunks of a disk hold anything but zeroes. */
async function usedChunks(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const used = new Uint8Array(Math.ceil(size / CHUNK_BYTES));
    const buffer = Buffer.alloc(READ_BYTES);
    const zeroes = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0; at < size; at += READ_BYTES) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, at);
      for (let from = 0; from < bytesRead; from += CHUNK_BYTES) {
        const chunk = buffer.subarray(from, Math.min(from + CHUNK_BYTES, bytesRead));
        if (!chunk.equals(zeroes.subarray(0, chunk.length))) used[(at + from) / CHUNK_BYTES] = 1;
      }
    }
    return used;
  } finally {
    await file.close();
  }
}

/** Runs of ones as [first, length]. */
export function runsOf(bits: Uint8Array): (readonly [first: number, length: number])[] {
  const runs: (readonly [number, number])[] = [];
  for (let at = 0; at < bits.length; at++) {
    if (bits[at] !== 1) continue;
    const first = at;
    while (bits[at] === 1) at++;
    runs.push([first, at - first]);
  }
  return runs;
}

/** Appends parts of a file to another. */
async function appendParts(from: string, to: string, parts: readonly (readonly [first: number, length: number])[]): Promise<void> {
  const [source, target] = [await open(from, "r"), await open(to, "a")];
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    for (const [first, length] of parts)
      for (let done = 0; done < length; ) {
        const { bytesRead } = await source.read(buffer, 0, Math.min(READ_BYTES, length - done), first + done);
        if (bytesRead === 0) break;
        await target.write(buffer, 0, bytesRead);
        done += bytesRead;
      }
  } finally {
    await source.close();
    await target.close();
  }
}

const inBytes = (runs: readonly (readonly [number, number])[]): (readonly [number, number])[] =>
  runs.map(([first, length]) => [first * CHUNK_BYTES, length * CHUNK_BYTES] as const);

async function layOut(dump: string, deviceDump: string, dir: string, runs: readonly (readonly [number, number])[]): Promise<StateFiles> {
  const files = join(dir, "files");
  await mkdir(files, { recursive: true });
  const state = {
    dir: files,
    ram: join(files, DUMP_FILES.ram),
    disk: join(files, DUMP_FILES.disk),
    device: join(files, DUMP_FILES.device),
    whole: join(dir, "whole"),
  };
  await symlink(join(dump, DUMP_FILES.ram), state.ram);
  await symlink(join(deviceDump, DUMP_FILES.device), state.device);
  await appendParts(join(dump, DUMP_FILES.disk), state.disk, inBytes(runs));
  for (const part of [state.ram, state.disk, state.device]) await appendParts(part, state.whole, EVERYTHING);
  return state;
}

/**
 * Lays recorded states out for the peers in a new folder.
 * @param from a folder that bench/residual/keep-states.ts wrote: base, source, one twin
 */
export async function layOutStates(from: string, dir: string): Promise<States> {
  const twins = (await readdir(from)).filter((name) => name.startsWith("twin")).sort();
  const names = [BASE, SOURCE, twins[0] ?? BASE];
  const used = await Promise.all(names.map((name) => usedChunks(join(from, name, DUMP_FILES.disk))));
  const any = Uint8Array.from(used[0] ?? [], (_, i) => (used.some((chunks) => chunks[i] === 1) ? 1 : 0));
  const runs = runsOf(any);
  await mkdir(dir, { recursive: true });
  const map = join(dir, "map");
  await writeFile(map, runs.map(([first, length]) => `${first} ${length}\n`).join(""));
  const [base, source, twin] = await Promise.all(
    names.map((name) => layOut(join(from, name), join(from, name === SOURCE ? SOURCE : BASE), join(dir, name), runs)),
  );
  if (base === undefined || source === undefined || twin === undefined) throw new Error("three states were asked for");
  return { base, source, twin, moved: await movedFile(base, source, join(dir, "moved")), map };
}

/** RAM, device state and the chunks of the disk that are not the base's, as an overlay on a shared base would hold them. */
async function movedFile(base: StateFiles, source: StateFiles, to: string): Promise<string> {
  const [old, now] = [await open(base.disk, "r"), await open(source.disk, "r")];
  try {
    const { size } = await now.stat();
    const changed = new Uint8Array(Math.ceil(size / CHUNK_BYTES));
    const [a, b] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
    for (let i = 0; i < changed.length; i++) {
      await old.read(a, 0, CHUNK_BYTES, i * CHUNK_BYTES);
      await now.read(b, 0, CHUNK_BYTES, i * CHUNK_BYTES);
      changed[i] = a.equals(b) ? 0 : 1;
    }
    for (const part of [source.ram, source.device]) await appendParts(part, to, EVERYTHING);
    await appendParts(source.disk, to, inBytes(runsOf(changed)));
    return to;
  } finally {
    await old.close();
    await now.close();
  }
}
