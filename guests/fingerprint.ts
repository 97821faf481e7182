import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Recipe } from "./recipes.ts";
import { isExecutable, listFiles } from "./tree.ts";

/** Folder with one sub-folder per recipe and `shared`. */
export const RECIPE_DIR = fileURLToPath(new URL(".", import.meta.url)).replace(/\/$/, "");

/** Raised when the code that builds changes what it makes of an unchanged recipe. */
const BUILD_FORMAT = 1;

/**
 * Sixteen hex digits of the SHA-256 over a recipe and all files that go into its guest: names, executable bits, contents.
 * @param dir the folder that holds the recipe's own folder and `shared`
 */
export async function fingerprint(recipe: Recipe, dir = RECIPE_DIR): Promise<string> {
  const hash = createHash("sha256");
  const add = (part: string | Uint8Array): void => {
    // The length keeps "ab"+"c" and "a"+"bc" apart.
    hash.update(`${part.length}:`).update(part);
  };
  add(JSON.stringify([BUILD_FORMAT, recipe]));
  for (const folder of [recipe.name, "shared"]) {
    for (const file of await listFiles(join(dir, folder))) {
      const path = join(dir, folder, file);
      add(`${folder}/${file} ${(await isExecutable(path)) ? "x" : "-"}`);
      add(await readFile(path));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
