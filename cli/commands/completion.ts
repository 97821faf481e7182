import { HomewardError } from "../../common/errors.ts";
import { argument, newCommand, oneOf, type CommandEntry } from "../command.ts";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { describeProgram } from "../completion/grammar.ts";
import { zshCompletion } from "../completion/zsh.ts";

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
const shellNamed = oneOf(Object.keys(SHELLS) as (keyof typeof SHELLS)[]);

export function completionCommand(): CommandEntry {
  return {
    command: newCommand(
      "completion",
      "Prints what makes your shell complete commands, options and names of workspaces.",
      [
        ["source <(homeward completion bash)", "for this bash; put it into ~/.bashrc for every one"],
        ["homeward completion zsh > ~/.zfunc/_homeward", "a folder that is in zsh's fpath, before compinit"],
        ["homeward completion fish > ~/.config/fish/completions/homeward.fish", ""],
      ],
      "Names of workspaces, hosts and migrations come from the service; nothing is offered while none runs.",
    ).argument("<shell>", "bash, zsh or fish", shellNamed),
    body: (invocation, command) => {
      const shell = shellNamed(argument(command, 0));
      if (command.parent === null) throw new HomewardError("INTERNAL", "completion is not part of a program");
      const script = SHELLS[shell](describeProgram(command.parent));
      invocation.output.result({ shell, script }, () => script.trimEnd());
      return Promise.resolve();
    },
  };
}
