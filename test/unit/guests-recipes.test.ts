import { describe, expect, it } from "vitest";
import { countPackages, mmdebstrapArguments } from "../../guests/desktop.ts";
import { HOST_PACKAGES, requirePackages } from "../../guests/packages.ts";
import { RECIPES } from "../../guests/recipes.ts";
import { Steps } from "../../guests/steps.ts";
import type { ProgressUpdate } from "../../common/progress.ts";

describe("recipes", () => {
  it("boot without anything random that replay would see, and with a screen that stands still", () => {
    for (const { append } of Object.values(RECIPES)) {
      const words = append.split(" ");
      for (const word of ["norandmaps", "transparent_hugepage=never", "consoleblank=0", "root=/dev/vda", "quiet"])
        expect(words).toContain(word);
      expect(append).toMatch(/rootflags=\S*discard/);
    }
  });

  it("load the driver of every device that the machine has", () => {
    for (const { modules } of Object.values(RECIPES))
      expect(modules).toEqual(expect.arrayContaining(["virtio_blk", "virtio_net", "virtio_balloon", "xhci_pci"]));
  });

  it("have file systems of their own identity", () => {
    expect(RECIPES.tiny.filesystemUuid).not.toBe(RECIPES.desktop.filesystemUuid);
  });
});

describe("mmdebstrapArguments", () => {
  const args = mmdebstrapArguments(RECIPES.desktop, "/build/root", {
    file: "/build/sources.list",
    settingsFile: "/build/apt.conf",
  });

  it("names the packages, the folder and the sources, in mmdebstrap's order", () => {
    expect(args.slice(-3)).toEqual(["bookworm", "/build/root", "/build/sources.list"]);
    expect(args).toContain(`--include=${RECIPES.desktop.packages.join(",")}`);
    expect(args).toContain("--aptopt=/build/apt.conf");
  });

  it("puts no path into the hook, which a shell runs", () => {
    expect(args.find((arg) => arg.startsWith("--customize-hook="))).not.toContain("/build");
  });
});

describe("countPackages", () => {
  it("counts what dpkg unpacks and sets up, at the beginning of lines only", () => {
    const parts: number[] = [];
    const onText = countPackages(4, (fraction) => parts.push(fraction));
    onText("Selecting previously unselected package a.\nUnpacking a (1) ...\nUnpacking b (1) ...\n");
    onText("Setting up a (1) ...\nnot Setting up\n");
    expect(parts).toEqual([2 / 8, 3 / 8]);
  });
});

describe("requirePackages", () => {
  it("is content when all probes are there", async () => {
    await requirePackages("desktop", () => Promise.resolve(true));
  });

  it("names the package that is missing and how to install it", async () => {
    const withoutMmdebstrap = (path: string): Promise<boolean> => Promise.resolve(!path.includes("mmdebstrap"));
    await expect(requirePackages("desktop", withoutMmdebstrap)).rejects.toMatchObject({
      code: "ENVIRONMENT",
      hint: "Install with: apt-get install mmdebstrap",
    });
    await requirePackages("tiny", withoutMmdebstrap);
  });

  it("lists each package once, with a reason and a place to look", () => {
    const names = HOST_PACKAGES.map((entry) => entry.package);
    expect(new Set(names).size).toBe(names.length);
    for (const { why, probe, for: uses } of HOST_PACKAGES) {
      expect(why).not.toBe("");
      expect(probe).toMatch(/^\/usr\//);
      expect(uses.length).toBeGreaterThan(0);
    }
  });
});

describe("Steps", () => {
  it("reports one bar over all steps, never going back", async () => {
    const updates: ProgressUpdate[] = [];
    const steps = new Steps({ update: (update) => updates.push(update) }, "guest", { a: 100, b: 300 });
    await steps.run("a", () => Promise.resolve());
    await steps.run("b", (part) => {
      part(0.5);
      part(7);
      return Promise.resolve();
    });
    expect(updates.map(({ done }) => done)).toEqual([0, 100, 100, 250, 400, 400]);
    expect(updates.every(({ total, unit }) => total === 400 && unit === "ms")).toBe(true);
    expect(steps.took.map(([step]) => step)).toEqual(["a", "b"]);
  });

  it("starts no step after an abort", async () => {
    const steps = new Steps({ update: () => undefined }, "guest", {}, AbortSignal.abort());
    await expect(steps.run("a", () => Promise.reject(new Error("ran")))).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
