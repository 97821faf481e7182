import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exited, start } from "../common/spawn.ts";

/**
 * Everything that `npm test` checks, cheapest first, stopping at the first stage that fails: style, types, import rules,
 * then unit, integration and end-to-end tests. A skipped test counts as a failure: what cannot run has not passed.
 */
const binaries = join(import.meta.dirname, "..", "node_modules", ".bin");
const results = mkdtempSync(join(tmpdir(), "homeward-test-"));

async function command(name: string, args: readonly string[]): Promise<boolean> {
  const child = await start(name, args, { stdio: ["ignore", "inherit", "inherit"] });
  return (await exited(child)) === 0;
}

interface Summary {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
}

const total = { passed: 0, failed: 0, skipped: 0 };

async function tests(project: string): Promise<boolean> {
  const file = join(results, `${project}.json`);
  const ok = await command(join(binaries, "vitest"), [
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
  ]);
  const summary = JSON.parse(readFileSync(file, "utf8")) as Summary;
  total.passed += summary.numPassedTests;
  total.failed += summary.numFailedTests;
  total.skipped += summary.numPendingTests + summary.numTodoTests;
  return ok && summary.numPendingTests + summary.numTodoTests === 0;
}

const stages: readonly (readonly [string, () => Promise<boolean>])[] = [
  ["style", () => command(join(binaries, "eslint"), ["."])],
  ["types", () => command(join(binaries, "tsc"), ["--noEmit"])],
  ["types of the pages", () => command(join(binaries, "tsc"), ["--noEmit", "-p", join("electron", "renderer")])],
  ["imports", () => command(process.execPath, [join("scripts", "check-imports.ts")])],
  ["unit tests", () => tests("unit")],
  ["integration tests", () => tests("integration")],
  ["pages", () => command(process.execPath, [join("scripts", "build-renderer.ts")])],
  ["end-to-end tests", () => tests("e2e")],
];

let failedStage: string | undefined;
for (const [name, stage] of stages) {
  const began = performance.now();
  console.log(`\n== ${name}`);
  const ok = await stage();
  console.log(`== ${name}: ${ok ? "passed" : "FAILED"} in ${String(Math.round((performance.now() - began) / 1000))} s`);
  if (!ok) {
    failedStage = name;
    break;
  }
}
rmSync(results, { recursive: true });
const skipped = total.skipped > 0 ? `, ${String(total.skipped)} skipped` : "";
console.log(`\n${String(total.passed)} passed, ${String(total.failed)} failed${skipped}`);
if (failedStage !== undefined) {
  console.error(`failed: ${failedStage}`);
  process.exitCode = 1;
}
