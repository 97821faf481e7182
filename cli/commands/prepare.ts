import { HomewardError } from "../../common/errors.ts";
import { prepareScript } from "../../prepare/script.ts";
import { SWITCHES, type Switch } from "../../prepare/switches.ts";
import { newCommand, oneOf, type CommandEntry } from "../command.ts";
import { switchesText } from "../text/prepare.ts";

const switchNamed = oneOf(SWITCHES.map(({ name }) => name));
/** Each use adds one. */
const switchesNamed = Object.assign((text: string, before: readonly string[] = []): string[] => [...before, switchNamed(text)], {
  words: switchNamed.words,
});

interface Options {
  readonly switch?: readonly string[];
  readonly undo?: boolean;
  readonly list?: boolean;
}

/** Undoing takes all that may have been applied. */
function chosen({ switch: named, undo = false }: Options): readonly Switch[] {
  return SWITCHES.filter(({ name, byDefault }) => (named === undefined ? byDefault || undo : named.includes(name)));
}

/** The switches as JSON has them: without the shell that applies them. */
function described(switches: readonly Switch[]): object[] {
  return switches.map(({ name, what, trades, gain, byDefault }) => ({ name, what, trades, gain, byDefault }));
}

export function prepareCommand(): CommandEntry {
  return {
    command: newCommand(
      "prepare",
      "Prints a script that prepares a guest so that it moves with fewer bytes, or undoes that.",
      [
        ["homeward prepare --list", "the switches: what each does, trades and gains"],
        ["homeward prepare > prepare.sh", "what weakens nothing; read it, then run it as root inside the guest"],
        ["homeward prepare --switch jemalloc --switch discard > prepare.sh", "only these"],
        ["homeward prepare --undo > undo.sh", "puts back all that was changed"],
      ],
      "The script is for Debian and what is like it. It may be run again, says what it skips and why, and keeps what it changes under " +
        "/var/lib/homeward-prepare in the guest. Restart the guest afterwards and seal it. None of it is needed: a guest without it moves just as safely.",
    )
      .option("--switch <name>", "only this one, and others that are named like this", switchesNamed)
      .option("--undo", "print the script that undoes it")
      .option("--list", "list the switches"),
    body: (invocation, command) => {
      const options = command.opts<Options>();
      const { list = false, undo = false } = options;
      if (list && undo) throw new HomewardError("USAGE", "--list and --undo do not go together");
      const switches = list && options.switch === undefined ? SWITCHES : chosen(options);
      const script = list ? null : prepareScript({ switches, undo });
      invocation.output.result({ switches: described(switches), script }, () => script?.trimEnd() ?? switchesText(switches));
      return Promise.resolve();
    },
  };
}
