import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Row } from "./method.ts";
import { crossingRow, fileBytes, inFolder, sameFiles, type Peer, type PeerContext } from "./peer.ts";

async function filesBelow(dir: string): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(dir.length), (await stat(path)).size);
  }
  return files;
}

const total = (files: ReadonlyMap<string, number>): number => [...files.values()].reduce((a, b) => a + b, 0);

/** Chunks that the destination's old state has not got, and the new index. */
async function casync(context: PeerContext): Promise<Row[]> {
  const { states, dir, signal } = context;
  const [oldStore, newStore] = [join(dir, "old.castr"), join(dir, "new.castr")];
  const [index, output] = [join(dir, "new.caibx"), join(dir, "output")];
  await inFolder(context, ["casync", "make", `--store=${oldStore}`, join(dir, "old.caibx"), states.base.whole]);
  const encode = await inFolder(context, ["casync", "make", `--store=${newStore}`, index, states.source.whole]);
  const had = await filesBelow(oldStore);
  for (const name of (await filesBelow(newStore)).keys()) if (had.has(name)) await rm(join(newStore, name));
  const crosses = total(await filesBelow(newStore)) + (await fileBytes(index));
  // The old state's chunks are out of the way: what is not in the new ones has to come from the seed.
  await rename(oldStore, join(dir, "away"));
  const extract = ["casync", "extract", `--store=${newStore}`, `--seed=${states.base.whole}`, "--seed-output=no", index, output];
  const decode = await inFolder(context, extract);
  const identical = await sameFiles(states.source.whole, output, signal);
  const bytes = crosses + (await fileBytes(states.map));
  return [crossingRow({ method: "casync, old state as seed", bytes, encode, decode, streams: false, identical })];
}

interface Repository {
  readonly name: string;
  readonly method: string;
  readonly note: string;
  readonly env: (dir: string) => NodeJS.ProcessEnv;
  readonly init: readonly string[];
  readonly add: (name: string) => readonly string[];
  readonly restore: (name: string) => readonly string[];
}

const REPOSITORY = "repository";

const borg: Repository = {
  name: "borg",
  method: "borg, repository with the old state",
  note: "chunks of 4 KiB, zstd -19",
  env: (dir) => ({ BORG_BASE_DIR: join(dir, "borg"), BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes" }),
  init: ["borg", "init", "-e", "none", REPOSITORY],
  // Fixed chunks are what its manual advises for disk images.
  add: (name) => [
    ...["borg", "create", "--files-cache=disabled", "--compression=zstd,19", "--chunker-params=fixed,4096"],
    ...["--stdin-name=state", `${REPOSITORY}::${name}`, "-"],
  ],
  restore: (name) => ["borg", "extract", "--stdout", `${REPOSITORY}::${name}`],
};

const restic: Repository = {
  name: "restic",
  method: "restic, repository with the old state",
  note: "its own chunks, best compression",
  env: (dir) => ({ RESTIC_PASSWORD: "peers", XDG_CACHE_HOME: join(dir, "cache") }),
  init: ["restic", "-q", "init", "--repository-version", "2", "-r", REPOSITORY],
  add: (name) => ["restic", "-q", "-r", REPOSITORY, "backup", "--compression", "max", "--host", name, "--stdin", "--stdin-filename", "state"],
  restore: (name) => ["restic", "-q", "-r", REPOSITORY, "dump", "--host", name, "latest", "/state"],
};

/** Bytes that the repository grows by. */
async function measureRepository(how: Repository, context: PeerContext): Promise<Row[]> {
  const { states, dir, signal } = context;
  const [repository, output] = [join(dir, REPOSITORY), join(dir, "output")];
  const env = { ...process.env, ...how.env(dir) };
  await inFolder(context, how.init, { env });
  await inFolder(context, how.add("old"), { env, stdin: states.base.whole });
  const before = total(await filesBelow(repository));
  const encode = await inFolder(context, how.add("new"), { env, stdin: states.source.whole });
  const bytes = total(await filesBelow(repository)) - before + (await fileBytes(states.map));
  const decode = await inFolder(context, how.restore("new"), { env, stdout: output });
  const identical = await sameFiles(states.source.whole, output, signal);
  return [crossingRow({ method: how.method, note: how.note, bytes, encode, decode, streams: false, identical })];
}

export const repositoryPeers: readonly Peer[] = [
  { name: "casync", run: casync },
  ...[borg, restic].map((how) => ({ name: how.name, run: (context: PeerContext) => measureRepository(how, context) })),
];
