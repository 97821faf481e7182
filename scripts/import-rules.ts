/**
 * Who may import whom. A folder may always import from itself; everything else must be listed, and what is listed must be
 * used: a rule that nothing needs any more fails the check like a forbidden import does.
 */
export const FOLDER_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  common: [],
  protocol: ["common"],
  vm: ["common", "protocol"],
  recorder: ["common", "protocol", "vm"],
  replayer: ["common", "protocol", "vm"],
  syncer: ["common", "protocol"],
  explain: ["common", "protocol", "syncer"],
  service: ["common", "protocol", "vm", "recorder", "replayer", "syncer", "explain", "viewer"],
  viewer: ["common", "vm"],
  prepare: [],
  cli: ["common", "protocol", "prepare", "viewer"],
  electron: [],
  "electron/main": ["common", "protocol", "electron"],
  "electron/preload": ["electron"],
  "electron/renderer": ["common", "protocol", "electron"],
  guests: ["common", "prepare"],
  packaging: ["common", "cli"],
  demo: ["common", "protocol", "vm", "guests"],
  scripts: ["common"],
  bench: ["common", "protocol", "vm", "recorder", "syncer", "explain", "service", "demo", "guests"],
};

/** Folders whose files may import anything: tests look at every part. */
export const UNRESTRICTED: readonly string[] = ["test"];

/** Folders whose files run in a browser and may use nothing of Node's. */
export const IN_BROWSER: readonly string[] = ["electron/renderer"];

/** The only files that may start processes, through common/spawn.ts. */
export const SPAWN_CALLERS: readonly string[] = [
  "bench/comparing.ts",
  "bench/console/recorder-process.ts",
  "bench/hashing.ts",
  "bench/machines/machines.ts",
  "bench/pages/pages.ts",
  "bench/peers/overlay/container.ts",
  "bench/peers/peer.ts",
  "bench/peers/rsync.ts",
  "bench/peers/timed.ts",
  "bench/service-process.ts",
  "bench/zstd/zstd.ts",
  "cli/commands/console.ts",
  "cli/commands/create.ts",
  "cli/commands/demo.ts",
  "cli/commands/doctor.ts",
  "cli/commands/ui.ts",
  "cli/service-process.ts",
  "demo/desktop-check.ts",
  "demo/host.ts",
  "demo/link/link.ts",
  "demo/verify.ts",
  "demo/verify/compare-disks.ts",
  "electron/main/service.ts",
  "guests/apt.ts",
  "guests/desktop.ts",
  "guests/image.ts",
  "guests/kernel.ts",
  "guests/namespaces.ts",
  "guests/tiny.ts",
  "packaging/deb.ts",
  "scripts/run-tests.ts",
  "service/doctor/computer.ts",
  "service/peers/identity.ts",
  "service/push/rsync-process.ts",
  "service/peers/ssh.ts",
  "syncer/copy-sparse.ts",
  "viewer/child.ts",
  "viewer/headless-display.ts",
  "vm/accelerator.ts",
  "vm/confined.ts",
  "vm/cpu-model.ts",
  "vm/disk-blocks.ts",
  "vm/layer-file.ts",
  "vm/machine-process.ts",
  "vm/source/source-image.ts",
];

/** Packages that only the listed folders or files may import. A file that is listed is a program: nobody may import it. */
export const PACKAGE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  "@electron-forge/maker-base": ["packaging"],
  "@novnc/novnc": ["electron/renderer"],
  "@preact/signals": ["electron/renderer"],
  commander: ["cli", "packaging"],
  electron: ["electron/main", "electron/preload"],
  "fast-diff": ["replayer"],
  pino: ["service"],
  "playwright-core": ["bench"],
  preact: ["electron/renderer"],
  robotjs: ["viewer/inject/main.ts"],
  sax: ["service"],
  "uiohook-napi": ["viewer/capture/main.ts"],
  vite: ["scripts"],
  ws: ["protocol", "service"],
};
