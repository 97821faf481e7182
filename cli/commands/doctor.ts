import { join } from "node:path";
import { EXIT_STATUS, HomewardError } from "../../common/errors.ts";
import { printable } from "../../common/progress-display.ts";
import { exited, start } from "../../common/spawn.ts";
import { doctorSchema, type ControlResult } from "../../protocol/control.ts";
import { newCommand, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";

const DOCTOR = join(import.meta.dirname, "..", "..", "service", "doctor-main.ts");
const MAX_ANSWER_BYTES = 1024 * 1024;

/** The checks run in a program of their own, so that they work whatever state the service is in, and without one. */
async function examine({ stateDir, signal }: Invocation): Promise<ControlResult<"doctor">> {
  const child = await start(process.execPath, [DOCTOR, "--state", stateDir], { stdio: ["ignore", "pipe", "pipe"] });
  signal.addEventListener("abort", () => child.kill(), { once: true });
  let answer = "";
  let complaint = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    if (answer.length < MAX_ANSWER_BYTES) answer += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2000);
  });
  await exited(child);
  const line = answer.trim().split("\n").at(-1) ?? "";
  const parsed = doctorSchema.safeParse(tryJson(line));
  if (parsed.success) return parsed.data;
  throw new HomewardError("INTERNAL", `the checks did not finish: ${complaint.trim()}`);
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function doctorText({ ok, checks }: ControlResult<"doctor">): string {
  const lines = checks.flatMap(({ name, ok: fine, found, hint }) => [
    `${fine ? "ok     " : "PROBLEM"}  ${printable(name)}: ${printable(found)}`,
    ...(hint === null ? [] : [`         ${printable(hint)}`]),
  ]);
  return [...lines, ok ? "Nothing is in the way." : "Something is in the way; see PROBLEM above."].join("\n");
}

export function doctorCommand(): CommandEntry {
  return {
    command: newCommand(
      "doctor",
      "Finds what on this computer keeps Homeward from working, and says how to mend it.",
      [["homeward doctor", "needs no running service"]],
    ),
    body: async (invocation) => {
      const found = await examine(invocation);
      invocation.output.result(found, doctorText);
      if (!found.ok) invocation.exitWith(EXIT_STATUS.ENVIRONMENT);
    },
  };
}
