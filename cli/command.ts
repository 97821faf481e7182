import { Command, InvalidArgumentError } from "commander";
import { HomewardError } from "../common/errors.ts";
import { ControlClient } from "../protocol/control-client.ts";
import type { ControlMethod, ControlParams, ControlResult } from "../protocol/control.ts";
import { addGlobalOptions, type Body, type Invocation } from "./invocation.ts";
import { controlSocket } from "./state-dir.ts";

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
 */
export function newCommand(
  name: string,
  summary: string,
  examples: readonly (readonly [line: string, what: string])[],
  details?: string,
): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}   ${what}`.trimEnd());
  return addGlobalOptions(new Command(name))
    .summary(summary)
    .description(details === undefined ? summary : `${summary}\n\n${details}`)
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
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

/** Parser of an option that is one of a few words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new InvalidArgumentError(`It is one of ${words.join(", ")}.`);
    return word;
  };
}

/** Connects to the service of the state folder. @throws ENVIRONMENT with how to start it when none runs */
async function connect(invocation: Invocation): Promise<ControlClient> {
  const { stateDir, isDefaultStateDir } = invocation;
  try {
    return await ControlClient.connect(controlSocket(stateDir));
  } catch (cause) {
    if (!(cause instanceof HomewardError) || cause.code !== "ENVIRONMENT") throw cause;
    const state = isDefaultStateDir ? "" : ` --state ${stateDir}`;
    throw new HomewardError("ENVIRONMENT", `no Homeward service is running for ${stateDir}`, {
      cause,
      hint: `Start it in another terminal with "homeward serve${state}", then try again.`,
    });
  }
}

/** Calls one method of the service with progress; Ctrl-C cancels it there and waits until it has stopped. */
export async function callService<M extends ControlMethod>(
  invocation: Invocation,
  method: M,
  params: ControlParams<M>,
): Promise<ControlResult<M>> {
  const client = await connect(invocation);
  try {
    return await client.call(method, params, {
      signal: invocation.signal,
      onProgress: (update) => {
        invocation.output.update(update);
      },
    });
  } finally {
    client.close();
  }
}
