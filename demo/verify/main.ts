import { stat } from "node:fs/promises";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../../common/errors.ts";
import { JsonLines } from "../../common/progress-json.ts";
import { compareDisks } from "./compare-disks.ts";
import { compareFiles } from "./compare-files.ts";
import type { VerifyResult } from "./result.ts";
import { readStoredGeneration, type StoredGeneration } from "./stored-generation.ts";

/**
 * Says whether two hosts hold the same state, without asking either of them:
 *   node demo/verify/main.ts --root ROOT STATE_DIR STATE_DIR
 * Reads RAM, device state and every disk block of both from their files and compares them byte for byte. It knows nothing
 * of Homeward's hashes and imports none of its engine. JSON Lines: `progress`, then `result` (or `error`).
 */
const lines = new JsonLines((text) => process.stdout.write(text));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    stop.abort(new HomewardError("CANCELLED", "stopped"));
  });

function filesOf({ ram, device, layers }: StoredGeneration): string[] {
  return [ram, device, ...layers];
}

async function identities(paths: readonly string[]): Promise<Map<string, string>> {
  const entries = await Promise.all(
    paths.map(async (path) => {
      const { dev, ino } = await stat(path);
      return [`${dev}:${ino}`, path] as const;
    }),
  );
  return new Map(entries);
}

async function sharedFiles(a: StoredGeneration, b: StoredGeneration): Promise<string[]> {
  const [inA, inB] = await Promise.all([identities(filesOf(a)), identities(filesOf(b))]);
  return [...inA].filter(([identity]) => inB.has(identity)).map(([, path]) => path);
}

async function verify(root: string, dirs: readonly [string, string]): Promise<VerifyResult> {
  const [a, b] = await Promise.all([readStoredGeneration(dirs[0], root), readStoredGeneration(dirs[1], root)]);
  const machine = JSON.stringify(a.manifest.machine) === JSON.stringify(b.manifest.machine);
  const ram = await compareFiles(a.ram, b.ram, "memory", lines, stop.signal);
  const device = await compareFiles(a.device, b.device, "devices", lines, stop.signal);
  const { diskBytes, memoryBytes } = a.manifest.machine;
  const disk = await compareDisks(a.layers, b.layers, diskBytes, lines, stop.signal);
  const shared = await sharedFiles(a, b);
  return {
    type: "result",
    identical:
      machine && ram.identical && ram.bytes === memoryBytes && device.identical && disk.identical && shared.length === 0,
    machine,
    ram,
    device,
    disk: { identical: disk.identical, bytes: diskBytes, said: disk.said },
    sharedFiles: shared,
  };
}

try {
  const { values, positionals } = parseArgs({ options: { root: { type: "string" } }, allowPositionals: true });
  const [first, second] = positionals;
  if (values.root === undefined || first === undefined || second === undefined)
    throw new HomewardError("USAGE", "usage: node demo/verify/main.ts --root ROOT STATE_DIR STATE_DIR");
  const { type, ...result } = await verify(values.root, [first, second]);
  lines.line(type, result);
  process.exitCode = result.identical ? 0 : EXIT_STATUS.DAMAGED;
} catch (thrown) {
  const { code, message } = toHomewardError(thrown);
  lines.line("error", { code, message });
  process.exitCode = EXIT_STATUS[code];
}
