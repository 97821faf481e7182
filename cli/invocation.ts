import { resolve } from "node:path";
import type { Command } from "commander";
import type { Terminal } from "../common/progress-display.ts";
import { jsonOutput, textOutput, type Output } from "./output.ts";
import { defaultStateDir } from "../protocol/state-dir.ts";

/** What the program gets from the process it runs in; tests give something else. */
export interface Surroundings {
  readonly stdout: (text: string) => unknown;
  readonly stderr: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** Fires when the user wants to stop. */
  readonly signal: AbortSignal;
}

/** One run of one command. */
export interface Invocation {
  readonly stateDir: string;
  /** Whether `stateDir` is where Homeward looks by itself, so that hints need not repeat it. */
  readonly isDefaultStateDir: boolean;
  readonly output: Output;
  readonly json: boolean;
  readonly signal: AbortSignal;
  readonly surroundings: Surroundings;
  /** For a command that ends unsuccessfully although it has printed a result. */
  readonly exitWith: (status: number) => void;
}

export type Body = (invocation: Invocation, command: Command) => Promise<void>;

/** Adds the options that every command takes. */
export function addGlobalOptions(command: Command): Command {
  return command
    .option("--state <dir>", "the service's state folder (default: $HOMEWARD_STATE, else ~/.local/share/homeward)")
    .option("--json", "print JSON Lines: progress, then one result or error");
}

function outputFor(json: boolean, { stdout, stderr }: Surroundings): Output {
  return json ? jsonOutput(stdout) : textOutput(stdout, stderr);
}

export function invocationOf(
  command: Command,
  surroundings: Surroundings,
  exitWith: (status: number) => void,
): Invocation {
  const { state, json = false } = command.optsWithGlobals<{ state?: string; json?: boolean }>();
  const fallback = defaultStateDir(surroundings.env);
  const stateDir = state === undefined ? fallback : resolve(state);
  return {
    stateDir,
    isDefaultStateDir: stateDir === fallback,
    output: outputFor(json, surroundings),
    json,
    signal: surroundings.signal,
    surroundings,
    exitWith,
  };
}

/** The output to use for an error, also when the command line itself could not be understood. */
export function errorOutput(argv: readonly string[], surroundings: Surroundings): Output {
  const end = argv.indexOf("--");
  return outputFor((end < 0 ? argv : argv.slice(0, end)).includes("--json"), surroundings);
}
