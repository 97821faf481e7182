import { lstat, mkdir, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FuseV1Options } from "@electron/fuses";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../common/spawn.ts";
import config, { isInArchive } from "../../forge.config.ts";
import { MakerDeb } from "../../packaging/maker-deb.ts";
import { layServiceTree } from "../../packaging/service-tree.ts";
import { buildRenderer } from "../../scripts/build-renderer.ts";

const ROOT = join(import.meta.dirname, "..", "..");

let dir: string;
/** The package, unpacked. */
let root: string;
let deb: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-deb-"));
  const app = join(dir, "app");
  await mkdir(join(app, "resources"), { recursive: true });
  // Electron's own files; there is no more to them here than that they are carried along.
  for (const name of ["homeward-app", "chrome-sandbox"]) await writeFile(join(app, name), "#!/bin/sh\n", { mode: 0o755 });
  await buildRenderer();
  await layServiceTree(ROOT, join(app, "resources", "homeward"));
  const maker = new MakerDeb({ executable: "homeward-app", compression: "none" });
  await maker.prepareConfig("x64");
  const packageJSON: unknown = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const common = { dir: app, makeDir: join(dir, "make"), appName: "Homeward", targetPlatform: "linux", targetArch: "x64" } as const;
  [deb = ""] = await maker.make({ ...common, forgeConfig: {} as never, packageJSON });
  root = join(dir, "root");
  await run("dpkg-deb", ["--extract", deb, root]);
});
afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 }));

async function homeward(...args: readonly string[]): Promise<string> {
  const env = { PATH: "/usr/bin:/bin", HOME: dir, HOMEWARD_STATE: join(dir, "state"), HOMEWARD_CACHE: join(dir, "cache") };
  return (await run(join(root, "usr/bin/homeward"), args, { env })).stdout.toString();
}

describe("the Debian package", () => {
  it("says what it is and what it needs", async () => {
    const fields = (await run("dpkg-deb", ["--field", deb])).stdout.toString();
    expect(fields).toMatch(/^Package: homeward$/m);
    expect(fields).toMatch(/^Architecture: amd64$/m);
    expect(fields).toMatch(/^Depends: .*qemu-system-x86.*libgtk-3-0/m);
    expect(fields).toMatch(/^Installed-Size: [1-9]\d{4,}$/m);
  });

  it("belongs to root, and only Chromium's sandbox may become root", async () => {
    const lines = (await run("dpkg-deb", ["--contents", deb])).stdout.toString().trim().split("\n");
    expect(lines.length).toBeGreaterThan(100);
    expect(lines.filter((line) => !/ root\/root /.test(line))).toEqual([]);
    const special = lines.filter((line) => /^.{3}s|^.{6}s|^.{8}w/.test(line) && !line.startsWith("l"));
    expect(special).toEqual([expect.stringMatching(/^-rwsr-xr-x .*\/usr\/lib\/homeward\/chrome-sandbox$/)]);
  });

  it("holds a command line and a service that run without anything of this computer's Node", async () => {
    expect(await readlink(join(root, "usr/bin/homeward-app"))).toBe("../lib/homeward/homeward-app");
    expect((await homeward("--version")).trim()).toMatch(/^\d+\.\d+\.\d+$/);
    await homeward("serve", "--detach", "--name", "packed");
    try {
      expect(JSON.parse(await homeward("status", "--json"))).toMatchObject({ type: "result", host: "packed", workspaces: [] });
      expect(await homeward("ui", "--no-open")).toContain("http://127.0.0.1:");
    } finally {
      await homeward("shutdown");
    }
  });

  it("holds no sources of tests, and none of the packages that only building needs", async () => {
    const paths = (await run("dpkg-deb", ["--contents", deb])).stdout.toString();
    expect(paths).toMatch(/resources\/homeward\/node_modules\/zod\//);
    expect(paths).not.toMatch(/resources\/homeward\/(test|bench|demo|electron)\//);
    expect(paths).not.toMatch(/node_modules\/(typescript|vite|electron|vitest|eslint)\//);
  });

  it("has a manual page with every command, completions, a menu entry and a service for systemd", async () => {
    const manual = gunzipSync(await readFile(join(root, "usr/share/man/man1/homeward.1.gz"))).toString();
    expect(manual).toMatch(/^\.TH HOMEWARD 1 "\d{4}-\d\d-\d\d" "Homeward \d/);
    for (const command of ["serve", "migrate", "doctor", "ui"]) expect(manual).toContain(`.SS homeward ${command}\n`);
    // Every line that begins with a dot is one of the macros that are meant.
    const requests = manual.split("\n").filter((line) => /^[.']/.test(line));
    expect(requests.filter((line) => !/^\.(TH|SH|SS|TP|B|I|nf|fi)( |$)/.test(line))).toEqual([]);
    for (const path of [
      "usr/share/bash-completion/completions/homeward",
      "usr/share/zsh/vendor-completions/_homeward",
      "usr/share/fish/vendor_completions.d/homeward.fish",
    ])
      expect(await readFile(join(root, path), "utf8"), path).toContain("homeward");
    const entry = await readFile(join(root, "usr/share/applications/homeward.desktop"), "utf8");
    expect(entry).toMatch(/^Exec=homeward-app$/m);
    expect(entry).toMatch(/^Icon=homeward$/m);
    expect((await lstat(join(root, "usr/share/icons/hicolor/256x256/apps/homeward.png"))).size).toBeGreaterThan(1000);
    const unit = await readFile(join(root, "usr/lib/systemd/user/homeward.service"), "utf8");
    expect(unit).toMatch(/^ExecStart=\/usr\/bin\/homeward serve$/m);
    expect(unit).toMatch(/^KillMode=process$/m);
  });
});

describe("what Forge is told", () => {
  it("puts the bundled app and nothing else into the archive", () => {
    for (const path of ["", "/package.json", "/out", "/out/app", "/out/app/main.js", "/out/app/pages/index.html"])
      expect(isInArchive(path), path).toBe(true);
    for (const path of ["/node_modules", "/test", "/out/homeward", "/out/apple", "/.git", "/service/main.ts"])
      expect(isInArchive(path), path).toBe(false);
  });

  it("makes deb and zip, and blows the fuses that Electron's checklist names", () => {
    expect(config.makers?.map((maker) => "name" in maker && maker.name)).toEqual(["deb", "zip"]);
    expect(config.packagerConfig).toMatchObject({ asar: true, prune: false });
    const fuses = config.plugins?.[0] as unknown as { fusesConfig: Record<number, boolean> };
    expect(fuses.fusesConfig[FuseV1Options.RunAsNode]).toBe(false);
    expect(fuses.fusesConfig[FuseV1Options.OnlyLoadAppFromAsar]).toBe(true);
    expect(fuses.fusesConfig[FuseV1Options.EnableEmbeddedAsarIntegrityValidation]).toBe(true);
    expect(fuses.fusesConfig[FuseV1Options.EnableNodeOptionsEnvironmentVariable]).toBe(false);
    expect(fuses.fusesConfig[FuseV1Options.EnableNodeCliInspectArguments]).toBe(false);
    expect(fuses.fusesConfig[FuseV1Options.GrantFileProtocolExtraPrivileges]).toBe(false);
  });
});
