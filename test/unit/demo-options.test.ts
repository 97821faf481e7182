import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseOptions } from "../../demo/options.ts";
import { readSession } from "../../demo/person.ts";
import { atHome } from "../../demo/way-back.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-options-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

describe("parseOptions", () => {
  it("has defaults, and a new folder for each run", async () => {
    const options = await parseOptions([], new Date(2026, 0, 2, 3, 4, 5));
    expect(options).toMatchObject({ json: false, guest: "desktop", keep: false, linkText: "1mbit,50ms" });
    expect(options.link).toEqual({ bitsPerSecond: 1_000_000, roundTripMs: 50 });
    expect(options.sessionFile).toMatch(/demo\/sessions\/shell\.json$/);
    expect(options.out).toMatch(/\/out\/demo-20260102-030405$/);
  });

  it("has a default session for each guest, made for it", async () => {
    for (const guest of ["tiny", "desktop"] as const) {
      const { sessionFile } = await parseOptions(["--guest", guest]);
      expect((await readSession(sessionFile, guest)).guest).toBe(guest);
      expect(atHome(guest).guest).toBe(guest);
    }
  });

  it("takes paths from the current folder", async () => {
    const session = join(dir, "mine.json");
    await writeFile(session, "{}");
    const options = await parseOptions(["--session", session, "--out", "pictures", "--link=10mbit,20ms", "--json"]);
    expect(options).toMatchObject({ sessionFile: session, out: join(process.cwd(), "pictures"), json: true });
    expect(options.link.bitsPerSecond).toBe(10_000_000);
  });

  it.each([
    [["--guest", "windows"], /there is no guest "windows"/],
    [["--link", "fast"], /rate and round trip/],
    [["--frobnicate"], /frobnicate/],
    [["surprise"], /surprise/],
    [["--session", "/nonexistent.json"], /no session file/],
  ])("refuses %j", async (argv, message) => {
    await expect(parseOptions(argv)).rejects.toThrow(message);
  });
});

describe("readSession", () => {
  it("refuses a session for another guest", async () => {
    const { sessionFile } = await parseOptions(["--guest", "tiny"]);
    await expect(readSession(sessionFile, "desktop")).rejects.toThrow(/is for the guest "tiny"/);
  });
});
