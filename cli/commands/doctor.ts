import { join } from "node:path";
import { throwIfAborted } from "../../common/abort.ts";
import { EXIT_STATUS, HomewardError } from "../../common/errors.ts";
import { printable } from "../../common/progress-display.ts";
import { exited, start } from "../../common/spawn.ts";
import { doctorSchema, type ControlResult, type DoctorCheck } from "../../protocol/control.ts";
import { newCommand, type CommandEntry } from "../command.ts";
import type { Invocation } from "../invocation.ts";

const DOCTOR = join(import.meta.dirname, "..", "..", "service", "doctor", "main.ts");
const MAX_ANSWER_BYTES = 1024 * 1024;

type Examination = ControlResult<"doctor">;

/** The checks run in a program of their own, so that they work whatever state the service is in, and without one. */
async function examine({ stateDir, signal }: Invocation, more: readonly string[]): Promise<Examination> {
  const child = await start(process.execPath, [DOCTOR, "--state", stateDir, ...more], { stdio: ["ignore", "pipe", "pipe"] });
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
  throwIfAborted(signal);
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

const MARKS = { ok: "ok", warning: "WARNING", problem: "PROBLEM" } as const;

function counted(count: number, what: string): string {
  return `${count === 0 ? "no" : count} ${what}${count === 1 ? "" : "s"}`;
}

export function doctorText({ mended, checks }: Examination): string {
  const lines = checks.flatMap(({ name, severity, found, hint, command }) => [
    `${MARKS[severity].padEnd(7)}  ${printable(name)}: ${printable(found)}`,
    ...(hint === null ? [] : [`         ${printable(hint)}`]),
    ...(command === null ? [] : [`           ${printable(command)}`]),
  ]);
  const number = (wanted: DoctorCheck["severity"]): number => checks.filter(({ severity }) => severity === wanted).length;
  const done = mended.length === 0 ? [] : [...mended.map((what) => `mended   ${printable(what)}`), ""];
  return [...done, ...lines, "", `${counted(number("problem"), "problem")}, ${counted(number("warning"), "warning")}.`].join("\n");
}

export function doctorCommand(): CommandEntry {
  return {
    command: newCommand(
      "doctor",
      "Finds what on this computer keeps Homeward from working, and says how to mend it.",
      [
        ["homeward doctor", "needs no running service"],
        ["homeward doctor --fix", "mends first what is safe to mend, and says what it did"],
        ["homeward doctor --json | jq '.checks[] | select(.severity != \"ok\")'", "what is not as it should be"],
      ],
      "Looks at programs and their versions, room, permissions, leftovers, the service and where it listens, and whether the other hosts " +
        "answer and their clocks agree. With --fix it closes what is open to other users, and removes the socket and unfinished files " +
        "of a service that is gone. Warnings leave the exit status 0; a problem makes it that of ENVIRONMENT.",
    ).option("--fix", "mend what is safe to mend"),
    body: async (invocation, command) => {
      const { fix } = command.opts<{ fix?: boolean }>();
      const found = await examine(invocation, fix === true ? ["--fix"] : []);
      invocation.output.result(found, doctorText);
      if (!found.ok) invocation.exitWith(EXIT_STATUS.ENVIRONMENT);
    },
  };
}
