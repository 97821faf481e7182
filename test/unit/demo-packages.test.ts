import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HOST_PACKAGES } from "../../guests/packages.ts";

const LIST = join(import.meta.dirname, "..", "..", "scripts", "packages.txt");

describe("scripts/packages.txt", () => {
  it("has four fields a line, and names what building guests checks for, with the same probes", async () => {
    const lines = (await readFile(LIST, "utf8")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const listed = lines.map((line) => {
      expect(line).toMatch(/^[a-z0-9+.-]+\|\/[^|]+\|(test|demo|bench|peers|test-as-user|demo-as-user)(,[a-z-]+)*\|[^|]+$/);
      const [name, probe, purposes] = line.split("|");
      return { package: name, probe, for: purposes?.split(",") };
    });
    for (const { package: name, probe, for: purposes } of HOST_PACKAGES)
      expect(listed).toContainEqual({ package: name, probe, for: purposes });
  });
});
