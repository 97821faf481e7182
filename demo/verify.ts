import { join } from "node:path";
import { createInterface } from "node:readline";
import { throwIfAborted } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import type { Progress, ProgressUpdate } from "../common/progress.ts";
import { exited, start } from "../common/spawn.ts";
import type { Host } from "./host.ts";
import { verifyResultSchema, type VerifyResult } from "./verify/result.ts";

const PROGRAM = join(import.meta.dirname, "verify", "main.ts");

/** Has a separate program compare what two hosts hold of a generation, file against file. */
export async function verifySame(
  root: string,
  hosts: readonly [Host, Host],
  progress: Progress,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const dirs = hosts.map((host) => host.stateDir);
  const child = await start(process.execPath, [PROGRAM, "--root", root, ...dirs], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const onAbort = (): void => {
    child.kill("SIGTERM");
  };
  signal.addEventListener("abort", onAbort, { once: true });
  let last: unknown;
  if (child.stdout !== null)
    for await (const line of createInterface({ input: child.stdout })) {
      const message = JSON.parse(line) as { type: string };
      last = message;
      if (message.type === "progress") progress.update(asUpdate(message));
    }
  const status = await exited(child);
  signal.removeEventListener("abort", onAbort);
  throwIfAborted(signal);
  const parsed = verifyResultSchema.safeParse(last);
  if (parsed.success) return parsed.data;
  throw new HomewardError("INTERNAL", `the verification did not finish (${status}): ${JSON.stringify(last)}`);
}

function asUpdate(message: object): ProgressUpdate {
  const { phase, done, total, unit } = message as ProgressUpdate;
  return { phase: `verify ${phase}`, done, unit, ...(total === undefined ? {} : { total }) };
}
