import { join } from "node:path";
import { MakerZIP } from "@electron-forge/maker-zip";
import { FusesPlugin } from "@electron-forge/plugin-fuses";
import type { ForgeConfig } from "@electron-forge/shared-types";
import { FuseV1Options, FuseVersion } from "@electron/fuses";
import { MakerDeb } from "./packaging/maker-deb.ts";
import { layServiceTree } from "./packaging/service-tree.ts";
import { buildApp } from "./scripts/build-app.ts";

const ROOT = import.meta.dirname;
const EXECUTABLE = "homeward-app";
/** Becomes resources/homeward. */
const SERVICE = join(ROOT, "out", "homeward");

/** What goes into the app's archive; everything else of the repository stays out. Paths begin with a slash. */
export function isInArchive(path: string): boolean {
  return path === "" || path === "/package.json" || path === "/out" || /^\/out\/app(\/|$)/.test(path);
}

const config: ForgeConfig = {
  packagerConfig: {
    name: "Homeward",
    executableName: EXECUTABLE,
    appBundleId: "org.homeward.app",
    icon: join(ROOT, "electron", "icon"),
    asar: true,
    // Everything is bundled.
    prune: false,
    ignore: (path) => !isInArchive(path),
    extraResource: [SERVICE],
  },
  hooks: {
    generateAssets: async () => {
      await buildApp();
      await layServiceTree(ROOT, SERVICE);
    },
  },
  makers: [new MakerDeb({ executable: EXECUTABLE }), new MakerZIP({}, ["linux", "darwin", "win32"])],
  plugins: [
    new FusesPlugin({
      version: FuseVersion.V1,
      [FuseV1Options.RunAsNode]: false,
      [FuseV1Options.EnableCookieEncryption]: true,
      [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
      [FuseV1Options.EnableNodeCliInspectArguments]: false,
      [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
      [FuseV1Options.OnlyLoadAppFromAsar]: true,
      [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
      [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
    }),
  ],
};

export default config;
