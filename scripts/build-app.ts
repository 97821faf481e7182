import { builtinModules } from "node:module";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "vite";
import { buildRenderer } from "./build-renderer.ts";

const ROOT = join(import.meta.dirname, "..");
/** The desktop app's own programs, bundled, beside its pages. */
export const APP_DIR = join(ROOT, "out", "app");

const EXTERNAL = ["electron", /^node:/, ...builtinModules];

/** @param format pages' preload scripts are no modules, as they run in the sandbox */
async function bundle(entry: string, name: string, format: "es" | "cjs"): Promise<void> {
  await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    ssr: { noExternal: true, external: ["electron"] },
    build: {
      ssr: join(ROOT, "electron", entry),
      outDir: APP_DIR,
      emptyOutDir: false,
      target: "node24",
      minify: false,
      rolldownOptions: { external: EXTERNAL, output: { format, entryFileNames: name, codeSplitting: false } },
    },
  });
}

/** Builds everything that Electron loads into out/app. */
export async function buildApp(): Promise<void> {
  await buildRenderer();
  await rm(APP_DIR, { recursive: true, force: true });
  await bundle("main/main.ts", "main.js", "es");
  await bundle("preload/preload.ts", "preload.cjs", "cjs");
  await cp(join(ROOT, "out", "renderer"), join(APP_DIR, "pages"), { recursive: true });
  await cp(join(ROOT, "electron", "icon.png"), join(APP_DIR, "icon.png"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await buildApp();
