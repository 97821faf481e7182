import { spawn, type ChildProcess } from "node:child_process";
import type { Stream, Writable } from "node:stream";
import { abortReason } from "./abort.ts";
import { HomewardError } from "./errors.ts";

/**
 * The only module that starts processes; scripts/check-imports.ts lists who may call it. There is never a shell in
 * between, and the environment is the parent's unless given.
 */
export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  /** Output past this many bytes fails the call (default 16 MiB). */
  readonly maxOutputBytes?: number;
  /** Called with each piece of stderr, e.g. to show progress. */
  readonly onStderr?: (text: string) => void;
}

export interface RunResult {
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A program that is not there. */
export function missing(command: string, cause?: unknown): HomewardError {
  return new HomewardError("ENVIRONMENT", `cannot start ${command}`, {
    cause,
    hint: `Run "homeward doctor" to see which package provides it.`,
  });
}

/**
 * Runs a program to its end.
 * @throws ENVIRONMENT if it cannot be started, GUEST with its last words if it exits non-zero, TIMEOUT, CANCELLED
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { signal, timeoutMs, maxOutputBytes = 16 * 1024 * 1024 } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    let outputBytes = 0;
    let stderr = "";
    let failure: HomewardError | Error | undefined;
    const stop = (error: HomewardError | Error): void => {
      failure ??= error;
      child.kill("SIGKILL");
    };
    const onAbort = (): void => {
      if (signal !== undefined) stop(abortReason(signal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            stop(new HomewardError("TIMEOUT", `${command} did not finish within ${String(timeoutMs / 1000)} s`));
          }, timeoutMs);
    child.stdout?.on("data", (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes > maxOutputBytes) stop(new HomewardError("GUEST", `${command} printed too much`));
      else chunks.push(chunk);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      const text = chunk.toString();
      stderr = (stderr + text).slice(-16_384);
      options.onStderr?.(text);
    });
    if (options.input !== undefined && child.stdin !== null) {
      // A program that exits without reading its input is judged by its exit status, not by the broken pipe.
      child.stdin.on("error", () => undefined);
      child.stdin.end(options.input);
    }
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    child.on("error", (error) => {
      settle();
      reject(failure ?? missing(command, error));
    });
    child.on("close", (status, killedBy) => {
      settle();
      if (failure !== undefined) reject(failure);
      else if (status === 0) resolve({ stdout: Buffer.concat(chunks), stderr });
      else {
        const how = status === null ? `was killed by ${String(killedBy)}` : `exited with ${String(status)}`;
        reject(
          new HomewardError("GUEST", `${command} ${how}: ${stderr.trim().split("\n").slice(-3).join("; ")}`, {
            data: { command, args, status, stderr },
          }),
        );
      }
    });
  });
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Outlives this process: its own session, no pipes. */
  readonly detached?: boolean;
  /** File descriptors, streams that have one, or "pipe"/"ignore" for stdin, stdout, stderr and any further ones. */
  readonly stdio?: readonly ("pipe" | "ignore" | "inherit" | number | Stream)[];
}

/** Starts a program and returns as soon as it runs. @throws ENVIRONMENT if it cannot be started */
export async function start(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<ChildProcess & { pid: number }> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    detached: options.detached ?? false,
    stdio: [...(options.stdio ?? ["ignore", "pipe", "pipe"])],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => {
      reject(missing(command, error));
    });
  });
  if (options.detached === true) child.unref();
  return child as ChildProcess & { pid: number };
}

/** Resolves with the exit status (or the negative signal number's name) once the child is gone. */
export function exited(child: ChildProcess): Promise<number | NodeJS.Signals> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  if (child.signalCode !== null) return Promise.resolve(child.signalCode);
  return new Promise((resolve) => {
    child.once("exit", (status, signal) => {
      resolve(status ?? signal ?? "SIGKILL");
    });
  });
}

export type { ChildProcess, Writable };
