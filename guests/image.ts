import { rm } from "node:fs/promises";
import { run } from "../common/spawn.ts";
import type { Recipe } from "./recipes.ts";

/** 2024-01-01, the time written into a new file system instead of now. */
export const FIXED_TIME_S = 1_704_067_200;

const MKE2FS_OPTIONS = [
  ["-t", "ext4"],
  ["-b", "4096"],
  ["-I", "256"],
  ["-m", "0"],
  ["-L", "homeward"],
];

/**
 * Puts a folder's files into an ext4 file system in a qcow2 image; sizes, identity and times come from the recipe, so
 * that equal folders give nearly equal images. Must be able to read all of `root`, whose owners are kept.
 * @param prefix a command to run mke2fs under, e.g. a user namespace
 */
export async function makeDisk(
  recipe: Recipe,
  root: string,
  disk: string,
  prefix: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  const raw = `${disk}.raw`;
  const [command = "mke2fs", ...args] = [...prefix, "mke2fs", "-q", "-F", ...MKE2FS_OPTIONS.flat()];
  // Nothing may be left to do in the background at the first mount. (A second -E would replace the first.)
  const extended = `lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,hash_seed=${recipe.filesystemUuid}`;
  await run(
    command,
    [...args, "-E", extended, "-U", recipe.filesystemUuid, "-d", root, raw, `${recipe.diskBytes / 1024}k`],
    { ...options, env: { ...process.env, E2FSPROGS_FAKE_TIME: String(FIXED_TIME_S) } },
  );
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-o", "lazy_refcounts=off", raw, disk], options);
  await rm(raw);
}
