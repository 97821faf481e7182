import { join } from "node:path";
import { expect, it } from "vitest";
import { exited, start } from "../../common/spawn.ts";

const PROGRAM = join(import.meta.dirname, "..", "faults", "main.ts");
/** Its first eight faults are of many kinds, some of which once found something. */
const SEED = "98594";
const MINUTES = "1.25";

it("a seeded share of the faults of npm run test:faults leaves one owner and a way on", async () => {
  const child = await start(process.execPath, [PROGRAM, "--seed", SEED, "--minutes", MINUTES, "--count", "8"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  const status = await exited(child);
  expect(status, output).toBe(0);
  const faults = Number(/^(\d+) faults: /m.exec(output)?.[1]);
  process.stdout.write(`${/^\d+ faults: .*/m.exec(output)?.[0] ?? ""}\n`);
  expect(faults, output).toBeGreaterThanOrEqual(3);
});
