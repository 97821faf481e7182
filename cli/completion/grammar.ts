import type { Argument, Command, Option } from "commander";

/** Names that the running service knows; see commands/complete.ts. */
export const NAME_KINDS = ["workspaces", "hosts", "migrations"] as const;
export type NameKind = (typeof NAME_KINDS)[number];

/** What may stand in a place of the command line. */
export type Value =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "names"; readonly of: NameKind }
  | { readonly kind: "files" | "folders" | "anything" };

export interface OptionShape {
  /** With its dashes. */
  readonly name: string;
  readonly description: string;
  /** Null for one that takes no value. */
  readonly value: Value | null;
}

export interface CommandShape {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionShape[];
  /** In their order. */
  readonly arguments: readonly Value[];
}

/** What `<workspace>` and the like in a definition stand for. */
const PLACEHOLDERS: Readonly<Record<string, Value>> = {
  workspace: { kind: "names", of: "workspaces" },
  host: { kind: "names", of: "hosts" },
  id: { kind: "names", of: "migrations" },
  dir: { kind: "folders" },
  file: { kind: "files" },
  image: { kind: "files" },
  socket: { kind: "files" },
};

const ANYTHING: Value = { kind: "anything" };

/** `parseArg` is what command.ts oneOf() made, or another parser. */
function valueOf(parseArg: unknown, placeholder: string): Value {
  if (typeof parseArg === "function" && "words" in parseArg && Array.isArray(parseArg.words))
    return { kind: "words", words: parseArg.words.map(String) };
  return PLACEHOLDERS[placeholder] ?? ANYTHING;
}

function optionShape(option: Option): OptionShape {
  const takesValue = option.required || option.optional;
  const placeholder = /[<[](.*)[>\]]/.exec(option.flags)?.[1] ?? "";
  return {
    name: option.long ?? option.short ?? "",
    description: option.description,
    value: takesValue ? valueOf(option.parseArg, placeholder) : null,
  };
}

function argumentShape(argument: Argument): Value {
  return valueOf(argument.parseArg, argument.name());
}

/** The commands of a program that its help shows, as far as a shell needs to know them. */
export function describeProgram(program: Command): CommandShape[] {
  const help = program.createHelp();
  return help
    .visibleCommands(program)
    .filter((command) => command.name() !== "help")
    .map((command) => ({
      name: command.name(),
      summary: command.summary(),
      options: help.visibleOptions(command).map(optionShape),
      arguments: command.registeredArguments.map(argumentShape),
    }));
}
