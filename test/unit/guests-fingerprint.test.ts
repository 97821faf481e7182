import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fingerprint } from "../../guests/fingerprint.ts";
import { RECIPES } from "../../guests/recipes.ts";

describe("fingerprint", () => {
  let dir: string;
  let before: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "homeward-recipe-"));
    for (const folder of ["tiny/root/etc", "desktop", "shared"]) await mkdir(join(dir, folder), { recursive: true });
    await writeFile(join(dir, "tiny/root/etc/profile"), "one");
    await writeFile(join(dir, "shared/init"), "two");
    await writeFile(join(dir, "desktop/customize"), "three");
    before = await fingerprint(RECIPES.tiny, dir);
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  it("is sixteen hex digits and the same for the same recipe", async () => {
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    expect(await fingerprint(structuredClone(RECIPES.tiny), dir)).toBe(before);
  });

  it("differs between the recipes", async () => {
    expect(await fingerprint(RECIPES.desktop, dir)).not.toBe(before);
  });

  const changes: readonly [what: string, change: () => Promise<void>][] = [
    ["a file's content", () => writeFile(join(dir, "tiny/root/etc/profile"), "onf")],
    ["a file that both guests share", () => writeFile(join(dir, "shared/init"), "twp")],
    ["a new file", () => writeFile(join(dir, "tiny/root/etc/group"), "")],
    ["a file's name", () => rename(join(dir, "tiny/root/etc/profile"), join(dir, "tiny/root/etc/profilf"))],
    ["a file's executable bit", () => chmod(join(dir, "tiny/root/etc/profile"), 0o755)],
  ];
  for (const [what, change] of changes) {
    it(`changes with ${what}`, async () => {
      await change();
      expect(await fingerprint(RECIPES.tiny, dir)).not.toBe(before);
    });
  }

  it("changes with the package list and the command line", async () => {
    const { tiny } = RECIPES;
    const others = [
      { ...tiny, packages: ["less"] },
      { ...tiny, append: `${tiny.append} debug` },
      { ...tiny, memoryMiB: tiny.memoryMiB + 1 },
    ];
    const found = await Promise.all(others.map((recipe) => fingerprint(recipe, dir)));
    expect(new Set([before, ...found]).size).toBe(4);
  });

  it("does not change with the other guest's files, nor with a permission that a checkout does not keep", async () => {
    await writeFile(join(dir, "desktop/customize"), "four");
    await chmod(join(dir, "tiny/root/etc/profile"), 0o600);
    expect(await fingerprint(RECIPES.tiny, dir)).toBe(before);
  });
});
