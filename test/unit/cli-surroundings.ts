import { runProgram } from "../../cli/program.ts";

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of stdout that are objects, parsed. */
  readonly json: Record<string, unknown>[];
}

export interface RunOptions {
  /** The state folder; there is no service in the default one. */
  readonly stateDir?: string;
  readonly signal?: AbortSignal;
  /** What else the environment has. */
  readonly env?: NodeJS.ProcessEnv;
  /** Whether stderr is a terminal. */
  readonly isTTY?: boolean;
}

/** Runs one command line of `homeward` in this process. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { stateDir = "/nonexistent/state", signal = new AbortController().signal, env = {}, isTTY = false } = options;
  let stdout = "";
  let stderr = "";
  const status = await runProgram(args, {
    stdout: (text) => (stdout += text),
    stderr: { write: (text) => (stderr += text), isTTY },
    env: { ...env, HOMEWARD_STATE: stateDir, PATH: "/nonexistent" },
    signal,
  });
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return { status, stdout, stderr, json: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}
