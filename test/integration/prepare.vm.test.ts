import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run } from "../../common/spawn.ts";
import { prepareScript } from "../../prepare/script.ts";
import { SWITCHES } from "../../prepare/switches.ts";

/** The scripts of `homeward prepare` on the root file system of a guest, by a shell that knows POSIX only. */

const FSTAB = "# disks\nUUID=1 / ext4 errors=remount-ro,relatime,commit=30 0 1\nUUID=2 /home ext4 defaults 0 2\n";
const FILES: Readonly<Record<string, string>> = {
  "etc/fstab": FSTAB,
  "etc/default/grub": "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n",
  "etc/X11/Xsession.d/20x11": "",
  "etc/systemd/system/man-db.timer": "[Timer]\nOnCalendar=weekly\n",
  "usr/lib/systemd/system/logrotate.timer": "[Timer]\n",
  "usr/lib/systemd/system/apt-daily.timer": "[Timer]\n",
  "usr/lib/x86_64-linux-gnu/libjemalloc.so.2": "",
  "usr/share/gtksourceview-4/language-specs/c.lang": "c",
  "usr/share/gtksourceview-4/language-specs/cobol.lang": "cobol",
  "usr/share/gtksourceview-4/language-specs/r.lang": "r",
};

let dir: string;
let root: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-prepare-"));
  root = join(dir, "guest root");
  await mkdir(join(root, "var/lib"), { recursive: true });
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  await chmod(join(root, "etc/fstab"), 0o640);
  await symlink("/lib/systemd/system/fstrim.timer", join(root, "etc/systemd/system/fstrim.timer"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Every name below the root with its kind, mode, content and time of change, but for folders' times. */
async function everything(folder = root): Promise<string[]> {
  const list = await run("find", [folder, "!", "-type", "d", "-printf", "%P %y %m %T@ %l\\n", "-o", "-printf", "%P %y %m\\n"]);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const contents = files.map(async (entry) => `${entry.parentPath}/${entry.name}: ${await readFile(join(entry.parentPath, entry.name), "utf8")}`);
  return [...list.stdout.toString().split("\n"), ...(await Promise.all(contents))].sort();
}

async function script(undo: boolean, names?: readonly string[]): Promise<string> {
  const path = join(dir, undo ? "undo.sh" : "prepare.sh");
  const switches = SWITCHES.filter(({ name }) => names?.includes(name) ?? true);
  await writeFile(path, prepareScript({ switches, undo }));
  await run("dash", ["-n", path]);
  return path;
}

async function prepare(undo = false, names?: readonly string[]): Promise<string> {
  return (await run("dash", [await script(undo, names), "--root", root])).stdout.toString();
}

function content(path: string): Promise<string> {
  return readFile(join(root, path), "utf8");
}

describe("homeward prepare", () => {
  it("changes what it says, twice the same, and back to what was there, byte for byte", async () => {
    const before = await everything();
    await prepare();
    expect((await content("etc/fstab")).split("\n")).toEqual([
      "# disks",
      "UUID=1 / ext4 errors=remount-ro,discard,noatime,commit=5 0 1",
      "UUID=2 /home ext4 defaults 0 2",
      "",
    ]);
    expect(await content("etc/default/grub.d/homeward-fixed-addresses.cfg")).toBe('GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT norandmaps"\n');
    expect(await content("etc/X11/Xsession.d/15homeward-jemalloc")).toMatch(/^export LD_PRELOAD=libjemalloc\.so\.2 MALLOC_CONF=narenas:1,/);
    for (const unit of ["man-db.timer", "logrotate.timer", "apt-daily.timer", "fstrim.timer"])
      expect(await readlink(join(root, "etc/systemd/system", unit))).toBe("/dev/null");
    expect(await readdir(join(root, "usr/share/gtksourceview-4/language-specs"))).toEqual(["c.lang"]);

    const once = await everything();
    const said = await prepare();
    expect(said).toContain("discard: /etc/fstab is so already");
    expect(said).not.toContain("wrote");
    expect(await everything()).toEqual(once);

    await prepare(true);
    expect(await everything()).toEqual(before);
    expect(await prepare(true)).toContain("discard: nothing to undo");
    expect(await everything()).toEqual(before);
  });

  it("undoes one switch and leaves the others", async () => {
    await prepare();
    await prepare(true, ["discard"]);
    expect(await content("etc/fstab")).toBe(FSTAB);
    expect(await content("etc/sysctl.d/homeward-settle-writes.conf")).toContain("vm.dirty_expire");
  });

  it("leaves alone what somebody changed since, until it is as it was", async () => {
    const before = await everything();
    await prepare();
    const made = await content("etc/fstab");
    await writeFile(join(root, "etc/fstab"), `${made}mine\n`);
    expect(await prepare(true)).toContain("/etc/fstab was changed since");
    expect(await content("etc/fstab")).toBe(`${made}mine\n`);
    expect(await content("var/lib/homeward-prepare/discard/before/etc/fstab")).toBe(FSTAB);
    await writeFile(join(root, "etc/fstab"), made);
    await prepare(true);
    expect(await everything()).toEqual(before);
  });

  it("says what it skips where things are missing, and changes nothing else", async () => {
    for (const path of ["etc/default", "etc/X11", "usr/share", "etc/fstab"]) await rm(join(root, path), { recursive: true });
    await mkdir(join(root, "etc/gtk-3.0"));
    await writeFile(join(root, "etc/gtk-3.0/settings.ini"), "[Settings]\n");
    const said = await prepare();
    for (const words of ["jemalloc: skipped", "fewer-syntax-files: skipped", "discard: skipped", 'skipped: there is no GRUB here. Add "norandmaps"', "still-cursor: skipped"])
      expect(said).toContain(words);
    expect(await content("etc/gtk-3.0/settings.ini")).toBe("[Settings]\n");
    expect(await readdir(join(root, "etc"))).not.toContain("fstab");
  });

  it("works inside the guest, as root there", async () => {
    const before = await everything();
    // The tree as root of a namespace of its own, with this computer's programs.
    const inside = async (path: string): Promise<string> => {
      const bind = 'for from in /usr/bin /lib /lib64 /etc/alternatives; do mkdir -p "$1$from"; mount --bind "$from" "$1$from"; mount -o remount,bind,ro "$1$from"; done; mkdir -p "$1/dev"; touch "$1/dev/null"; mount --bind /dev/null "$1/dev/null"';
      const enter = `set -e; ${bind}; cp "$2" "$1/script"; chroot "$1" /usr/bin/dash /script; rm "$1/script"`;
      const { stdout } = await run("unshare", ["--user", "--map-root-user", "--mount", "--", "sh", "-c", enter, "sh", root, path]);
      return stdout.toString();
    };
    expect(await inside(await script(false, ["discard", "fixed-addresses", "quiet-services"]))).toContain("discard: wrote /etc/fstab");
    expect(await content("etc/fstab")).toContain("discard,noatime,commit=5");
    expect(await inside(await script(true))).toContain("discard: undone");
    await rm(join(root, "dev/null"));
    for (const mounted of ["usr/bin", "lib64", "lib", "etc/alternatives", "dev"]) await rmdir(join(root, mounted));
    expect(await everything()).toEqual(before);
  });

  it("refuses to run as somebody else, and folders that are not there", async () => {
    const path = await script(false);
    await expect(run("dash", [path, "--root", join(dir, "nowhere")])).rejects.toThrow();
    await expect(run("dash", [path, "--rot"])).rejects.toThrow();
    await expect(run("setpriv", ["--reuid", "65534", "--clear-groups", "dash", path])).rejects.toThrow();
  });
});
