import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * Builds the pages of electron/renderer into out/renderer if their sources have changed. Files have fixed names: the
 * service reads all of them when it opens the pages, and browsers ask each time whether they have changed.
 */
const ROOT = join(import.meta.dirname, "..");
const RENDERER = join(ROOT, "electron", "renderer");
const OUT = join(ROOT, "out", "renderer");
const STAMP = ".sources";
/** What the pages are made of. */
const SOURCES = ["electron/renderer", "protocol", "common", "package-lock.json", "scripts/build-renderer.ts"];

/** SHA-256 over names and contents of all sources. */
async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    const names = source.includes(".") ? [""] : (await readdir(path, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length));
    for (const name of names.sort()) hash.update(`${source}${name}\0`).update(await readFile(`${path}${name}`)).update("\0");
  }
  return hash.digest("hex");
}

async function builtFrom(dir: string): Promise<string | null> {
  return readFile(join(dir, STAMP), "utf8").catch(() => null);
}

/** @param onBuild told when there is something to do. @throws what Vite finds wrong */
export async function buildRenderer(onBuild: () => void = () => undefined): Promise<void> {
  // An installed package holds the pages, and neither their sources nor Vite.
  if (!existsSync(RENDERER) && existsSync(join(OUT, "index.html"))) return;
  const sources = await fingerprint();
  if ((await builtFrom(OUT)) === sources) return;
  onBuild();
  const { build } = await import("vite");
  const fresh = `${OUT}-${process.pid}`;
  await build({
    configFile: false,
    root: RENDERER,
    base: "/",
    logLevel: "warn",
    publicDir: join(RENDERER, "public"),
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      outDir: fresh,
      emptyOutDir: true,
      target: "es2023",
      // The Content-Security-Policy allows no inline scripts and no data: fonts or styles.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 1000,
      rolldownOptions: {
        output: { entryFileNames: "[name].js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" },
      },
    },
  });
  await writeFile(join(fresh, STAMP), sources);
  await mkdir(join(ROOT, "out"), { recursive: true });
  const old = `${OUT}-old-${process.pid}`;
  await rename(OUT, old).catch(() => undefined);
  // Another build that ended at the same time has made the same pages.
  await rename(fresh, OUT).catch(() => rm(fresh, { recursive: true, force: true }));
  await rm(old, { recursive: true, force: true });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await buildRenderer(() => {
    process.stdout.write("building the pages\n");
  });
