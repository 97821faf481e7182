import { join } from "node:path";

/** Where the parts of the app lie. */
export interface Installation {
  readonly pages: string;
  readonly preload: string;
  readonly icon: string;
  /** Program and first arguments of the command line `homeward`. */
  readonly command: readonly string[];
}

/**
 * @param bundle folder of the bundled main program, which scripts/build-app.ts made: out/app
 * @param resources Electron's folder of resources when the app is installed; null in a source tree
 */
export function installation(bundle: string, resources: string | null): Installation {
  const own = { pages: join(bundle, "pages"), preload: join(bundle, "preload.cjs"), icon: join(bundle, "icon.png") };
  if (resources !== null) return { ...own, command: [join(resources, "homeward", "bin", "homeward")] };
  const root = join(bundle, "..", "..");
  return { ...own, command: [join(root, "node_modules", ".bin", "node"), join(root, "cli", "main.ts")] };
}
