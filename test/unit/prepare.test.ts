import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { KIND_TEXTS } from "../../explain/index.ts";
import { fingerprint } from "../../guests/fingerprint.ts";
import { RECIPES } from "../../guests/recipes.ts";
import { prepareScript } from "../../prepare/script.ts";
import {
  DISCARD_OPTIONS,
  JEMALLOC,
  KERNEL_WORDS,
  QUIET_LOG,
  QUIET_UNITS,
  SETTLE_WRITES,
  STILL_CURSOR,
  SWITCHES,
  SYNTAX_KEPT,
  UPDATE_UNITS,
} from "../../prepare/switches.ts";
import { runCli } from "./cli-surroundings.ts";

const DESKTOP = join(import.meta.dirname, "..", "..", "guests", "desktop");

function recipeFile(path: string): Promise<string> {
  return readFile(join(DESKTOP, path), "utf8");
}

describe("the desktop guest is built with what the switches do", () => {
  it("word by word on the kernel's command line, and in fstab", async () => {
    const words = RECIPES.desktop.append.split(" ");
    expect(words).toEqual(expect.arrayContaining(Object.values(KERNEL_WORDS)));
    expect(words).toContain(`rootflags=${DISCARD_OPTIONS.join(",")}`);
    expect(await recipeFile("root/etc/fstab")).toBe(`/dev/vda / ext4 ${DISCARD_OPTIONS.join(",")} 0 0\n`);
  });

  it("file by file", async () => {
    expect(await recipeFile("root/etc/sysctl.d/homeward.conf")).toBe(SETTLE_WRITES);
    expect(await recipeFile("root/etc/systemd/journald.conf.d/homeward.conf")).toBe(QUIET_LOG);
    expect(await recipeFile("root/etc/systemd/system/desktop.service")).toContain(`LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=${JEMALLOC}\n`);
    const settings = await recipeFile("root/home/user/.config/gtk-3.0/settings.ini");
    for (const line of STILL_CURSOR.trimEnd().split("\n")) expect(settings).toContain(line);
  });

  it("unit by unit and language by language", async () => {
    const customize = await recipeFile("customize");
    for (const unit of [...QUIET_UNITS, ...UPDATE_UNITS]) expect(customize).toContain(` ${unit} `);
    const kept = [...customize.matchAll(/! -name (\S+)\.lang/g)].map(([, name]) => name);
    expect(kept).toEqual([...SYNTAX_KEPT]);
  });

  it("and is the same guest as before the switches had names", async () => {
    // Whoever changes the guest on purpose changes these.
    expect(RECIPES.desktop.append).toContain(" norandmaps transparent_hugepage=never init_on_free=1 quiet ");
    expect(await fingerprint(RECIPES.desktop)).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe("the switches", () => {
  it("weaken nothing unless they are named, and say what they trade", () => {
    const careful = SWITCHES.filter(({ byDefault }) => !byDefault);
    expect(careful.map(({ name }) => name)).toEqual(["quiet-log", "no-updates", "fixed-addresses"]);
    for (const { trades } of careful) expect(trades).toMatch(/^(?:SECURITY|THE LOG): /);
    for (const { trades, byDefault } of SWITCHES) if (byDefault) expect(trades ?? "").not.toContain("SECURITY");
  });

  it("are named by what explains a residual, and no others are", () => {
    const names = new Set(SWITCHES.map(({ name }) => name));
    const cures = Object.values(KIND_TEXTS).map(({ cure }) => cure).join("\n");
    const named = [...cures.matchAll(/\b[a-z]+(?:-[a-z]+)+\b|\bjemalloc\b|(?<=switch(?:es)? (?:[a-z-]+ and )?)discard\b/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(10);
    for (const name of named) expect(names).toContain(name);
  });

  it("name where each measured gain is written down", async () => {
    for (const { gain } of SWITCHES) {
      if (gain === null) continue;
      const [file = ""] = gain.from.split(",");
      const text = await readFile(join(import.meta.dirname, "..", "..", file), "utf8");
      for (const figure of gain.text.match(/\d+\.\d+|\d+(?= MB)/g) ?? []) expect(text, gain.text).toContain(figure);
    }
  });
});

describe("the script", () => {
  it("applies in one order what is asked for, and undoes it the other way round", () => {
    const [first, second] = SWITCHES;
    if (first === undefined || second === undefined) throw new Error("no switches");
    const applying = prepareScript({ switches: [second, first], undo: false });
    expect([...applying.matchAll(/^begin (\S+)$/gm)].map(([, name]) => name)).toEqual([first.name, second.name]);
    const undoing = prepareScript({ switches: [first, second], undo: true });
    expect([...undoing.matchAll(/^undo (\S+)$/gm)].map(([, name]) => name)).toEqual([second.name, first.name]);
    expect(undoing).not.toContain("jemalloc.so");
  });

  it("comes from the command line: careful by default, all to undo, or what is named", async () => {
    const names = (text: string, verb: string): string[] => [...text.matchAll(new RegExp(`^${verb} (\\S+)$`, "gm"))].map(([, name = ""]) => name);
    const usual = SWITCHES.filter(({ byDefault }) => byDefault).map(({ name }) => name);
    expect(names((await runCli(["prepare"])).stdout, "begin")).toEqual(usual);
    expect(names((await runCli(["prepare", "--undo"])).stdout, "undo").toSorted()).toEqual(SWITCHES.map(({ name }) => name).toSorted());
    const named = await runCli(["prepare", "--switch", "fixed-addresses", "--switch", "discard"]);
    expect(names(named.stdout, "begin")).toEqual(["discard", "fixed-addresses"]);
    expect((await runCli(["prepare", "--switch", "nothing"])).status).toBe(2);
    expect((await runCli(["prepare", "--list", "--undo"])).status).toBe(2);
  });

  it("is not in the list, which has each switch with its gain", async () => {
    const { stdout } = await runCli(["prepare", "--list"]);
    expect(stdout).toMatch(/^fixed-addresses {2}\(only when named\)\n[^]*?Trades: SECURITY: [^]*?Gain: {3}a session [^]*?5\.2 to 2\.4 MB/m);
    expect(stdout).toMatch(/^no-huge-pages\n[^]*?not measured by itself/m);
    const { json } = await runCli(["prepare", "--list", "--json"]);
    expect(json).toMatchObject([{ type: "result", script: null, switches: SWITCHES.map(({ name }) => ({ name })) }]);
  });
});
