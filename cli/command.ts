import { Command, InvalidArgumentError } from "commander";
import { abortable } from "../common/abort.ts";
import { HomewardError, type ErrorCode } from "../common/errors.ts";
import { formatTable } from "../common/table.ts";
import { ControlClient } from "../protocol/control-client.ts";
import {
  FINISHED_WITHOUT_CLIENT,
  type ControlMethod,
  type ControlParams,
  type ControlResult,
} from "../protocol/control.ts";
import { exitTable } from "./exit-status.ts";
import { addGlobalOptions, type Body, type Invocation } from "./invocation.ts";
import { controlSocket } from "../protocol/state-dir.ts";

/** A command and what it does; each file in commands/ makes one. */
export interface CommandEntry {
  readonly command: Command;
  readonly body: Body;
}

/**
 * A command with its help.
 * @param summary one sentence, also shown in the list of commands
 * @param examples command lines and what they do, at the end of the help
 * @param details more to know, after the summary
 * @param failures how it can fail besides what every command can, for its table of exit statuses
 */
export function newCommand(
  name: string,
  summary: string,
  examples: readonly (readonly [line: string, what: string])[],
  details?: string,
  failures: readonly ErrorCode[] = [],
): Command {
  return addGlobalOptions(new Command(name))
    .summary(summary)
    .description(details === undefined ? summary : `${summary}\n\n${details}`)
    .addHelpText("after", `\nExamples:\n${formatTable(examples, [], "  ")}\n\nExit status:\n${exitTable(failures)}`);
}

/** The n-th argument, which commander has checked to be there. */
export function argument(command: Command, index: number): string {
  const value: unknown = command.processedArgs[index];
  if (typeof value !== "string") throw new HomewardError("INTERNAL", `argument ${index} is not declared`);
  return value;
}

/** Parser of an option that is a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** Parser of an option or argument that is one of a few words, which it also shows to the shell's completion. */
export function oneOf<T extends string>(words: readonly T[]): ((text: string) => T) & { readonly words: readonly T[] } {
  const parse = (text: string): T => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new InvalidArgumentError(`It is one of ${words.join(", ")}.`);
    return word;
  };
  return Object.assign(parse, { words });
}

/** Connects to the service of the state folder. @throws ENVIRONMENT with how to start it when none runs */
export async function connect(invocation: Invocation): Promise<ControlClient> {
  const { stateDir, isDefaultStateDir } = invocation;
  try {
    return await ControlClient.connect(controlSocket(stateDir));
  } catch (cause) {
    if (!(cause instanceof HomewardError) || cause.code !== "ENVIRONMENT") throw cause;
    const state = isDefaultStateDir ? "" : ` --state ${stateDir}`;
    throw new HomewardError("ENVIRONMENT", `no Homeward service is running for ${stateDir}`, {
      cause,
      hint: `"homeward serve${state}" starts it, with --detach in the background; then try again.`,
    });
  }
}

/** What is said at the first Ctrl-C; the second ends this program at once. */
function stopping(method: ControlMethod): string {
  const after = FINISHED_WITHOUT_CLIENT.has(method) ? "finishes it" : "stops it all the same";
  return `Stopping. Ctrl-C again leaves at once; the service then ${after}.`;
}

/** Calls one method of the service with progress; Ctrl-C cancels it there and waits until it has stopped. */
export async function callService<M extends ControlMethod>(
  invocation: Invocation,
  method: M,
  params: ControlParams<M>,
): Promise<ControlResult<M>> {
  const { signal, output } = invocation;
  const client = await abortable(connect(invocation), signal);
  const onAbort = (): void => {
    output.note(stopping(method));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await client.call(method, params, {
      signal,
      onProgress: (update) => {
        output.update(update);
      },
    });
    if (signal.aborted) output.note("It was too late to stop:");
    return result;
  } finally {
    signal.removeEventListener("abort", onAbort);
    client.close();
  }
}
