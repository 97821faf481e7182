import { join } from "node:path";
import { run } from "../common/spawn.ts";
import type { AptSources } from "./apt.ts";
import { RECIPE_DIR } from "./fingerprint.ts";
import type { Recipe } from "./recipes.ts";
import { copyTree } from "./tree.ts";

/** mmdebstrap's arguments for a recipe. @param root the folder to fill */
export function mmdebstrapArguments(recipe: Recipe, root: string, sources: AptSources): string[] {
  return [
    "--mode=root",
    "--variant=essential",
    "--format=directory",
    "--architectures=amd64",
    `--include=${recipe.packages.join(",")}`,
    // The folder is thrown away if the build does not finish, so there is no point in syncing each file.
    "--dpkgopt=force-unsafe-io",
    ...recipe.pathExcludes.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    // A file, not the settings themselves: they may hold a password, and arguments can be read by every user.
    `--aptopt=${sources.settingsFile}`,
    // Run by a shell; the paths come through the environment so that none of their characters matters.
    `--customize-hook=sh "$CUSTOMIZE" "$1"`,
    "--verbose",
    "bookworm",
    root,
    sources.file,
  ];
}

/**
 * Counts the packages that dpkg has unpacked and set up, as mmdebstrap's output names them.
 * @param part gets the share of all work, which is about two lines for each of `expected` packages
 */
export function countPackages(expected: number, part: (fraction: number) => void): (text: string) => void {
  let lines = 0;
  return (text) => {
    lines += text.match(/(?:^|\n)(?:Unpacking|Setting up) /g)?.length ?? 0;
    part(lines / (2 * expected));
  };
}

/** Packages installed in all, measured; only the progress bar depends on it. */
const EXPECTED_PACKAGES = 390;

export interface DesktopRootOptions {
  readonly recipe: Recipe;
  /** Folder to fill. */
  readonly root: string;
  /** Folder for what is only needed meanwhile. */
  readonly work: string;
  readonly sources: AptSources;
  /** See installNamespaces. */
  readonly namespaces: readonly string[];
  /** Called with the share of the work that is done, 0 to 1. */
  readonly part: (fraction: number) => void;
}

/** Installs the recipe's packages into a folder and adds our own files. */
export async function makeDesktopRoot(options: DesktopRootOptions, signal?: AbortSignal): Promise<void> {
  const { recipe, root, work, sources, namespaces, part } = options;
  const overlay = join(work, "overlay");
  await copyTree(join(RECIPE_DIR, "shared/root"), overlay);
  await copyTree(join(RECIPE_DIR, "desktop/root"), overlay);
  const [command = "mmdebstrap", ...args] = [...namespaces, "mmdebstrap", ...mmdebstrapArguments(recipe, root, sources)];
  await run(command, args, {
    env: { ...process.env, OVERLAY: overlay, CUSTOMIZE: join(RECIPE_DIR, "desktop/customize") },
    onStderr: countPackages(EXPECTED_PACKAGES, part),
    ...(signal === undefined ? {} : { signal }),
  });
}
