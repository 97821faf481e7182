import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { noProgress, type Progress } from "../common/progress.ts";
import { claimBuildDir, defaultCacheDir, guestDir, isComplete, publish } from "./cache.ts";
import {
  formatGuestDefinition,
  GUEST_FILES,
  readGuestDefinition,
  type GuestDefinition,
  type GuestName,
} from "./definition.ts";
import { makeDesktopRoot } from "./desktop.ts";
import { fingerprint } from "./fingerprint.ts";
import { makeDisk } from "./image.ts";
import { makeInitrd } from "./initrd.ts";
import { fetchBase } from "./kernel.ts";
import { asRoot, installNamespaces, removeTree } from "./namespaces.ts";
import { requirePackages } from "./packages.ts";
import { RECIPES, type Recipe } from "./recipes.ts";
import { Steps } from "./steps.ts";
import { makeTinyRoot } from "./tiny.ts";

export interface BuildOptions {
  /** Default: see defaultCacheDir. */
  readonly cacheDir?: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** A guest that is ready to boot. */
export interface Guest {
  /** Folder that holds the files named in GUEST_FILES. */
  readonly dir: string;
  /** Whether it was built just now; false if it came from the cache. */
  readonly fresh: boolean;
  readonly definition: GuestDefinition;
  /** Milliseconds each step of a fresh build took. */
  readonly took: readonly (readonly [step: string, ms: number])[];
}

/** Milliseconds per step on two slow cores; they only weigh the steps in the progress bar. */
const ESTIMATES: Readonly<Record<GuestName, Readonly<Record<string, number>>>> = {
  tiny: { "kernel and busybox": 7000, initrd: 1000, files: 300, disk: 500 },
  desktop: { "kernel and busybox": 7000, initrd: 1000, files: 45_000, disk: 6000 },
};

function definitionOf(recipe: Recipe): GuestDefinition {
  return {
    name: recipe.name,
    format: 1,
    memoryMiB: recipe.memoryMiB,
    cpus: recipe.cpus,
    kernel: GUEST_FILES.kernel,
    initrd: GUEST_FILES.initrd,
    append: recipe.append,
    disk: { file: GUEST_FILES.disk, bytes: recipe.diskBytes },
    display: recipe.display,
    description: recipe.description,
  };
}

async function makeGuest(recipe: Recipe, work: string, files: string, steps: Steps, signal?: AbortSignal): Promise<void> {
  const namespaces = recipe.name === "tiny" ? asRoot() : await installNamespaces(signal);
  const base = await steps.run("kernel and busybox", () => fetchBase(join(work, "base"), recipe.modules, signal));
  await steps.run("initrd", async () => {
    await writeFile(join(files, GUEST_FILES.kernel), base.kernel);
    await writeFile(join(files, GUEST_FILES.initrd), await makeInitrd(base.busybox, base.modules));
  });
  const root = join(work, "root");
  await steps.run("files", (part) =>
    recipe.name === "tiny"
      ? makeTinyRoot(root, base.busyboxPath, signal)
      : makeDesktopRoot({ recipe, root, work, sources: base.sources, namespaces, part }, signal),
  );
  await steps.run("disk", () => makeDisk(recipe, root, join(files, GUEST_FILES.disk), namespaces, signal));
  await writeFile(join(files, GUEST_FILES.definition), formatGuestDefinition(definitionOf(recipe)));
}

/**
 * Returns a guest from the cache, or builds it there from Debian packages. An interrupted build leaves nothing that
 * counts as a guest, and what a killed one left is removed by the next. While another process builds the same guest, this
 * waits for it.
 * @throws ENVIRONMENT if a tool, a right or a package archive is missing, NO_ROOM, CANCELLED
 */
export async function buildGuest(name: GuestName, options: BuildOptions = {}): Promise<Guest> {
  const { cacheDir = defaultCacheDir(), progress = noProgress, signal } = options;
  const recipe = RECIPES[name];
  const dir = guestDir(cacheDir, name, await fingerprint(recipe));
  if (!(await isComplete(dir))) {
    await requirePackages(name);
    const building = await claimBuildDir(dir, signal);
    if (building !== undefined) {
      const steps = new Steps(progress, `guest ${name}`, ESTIMATES[name], signal);
      try {
        const files = join(building, "guest");
        await mkdir(files);
        await makeGuest(recipe, building, files, steps, signal);
        await publish(files, dir);
      } finally {
        await removeTree(building);
      }
      return { dir, fresh: true, definition: await readGuestDefinition(dir), took: steps.took };
    }
  }
  return { dir, fresh: false, definition: await readGuestDefinition(dir), took: [] };
}
