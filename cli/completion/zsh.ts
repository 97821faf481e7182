import type { CommandShape, OptionShape, Value } from "./grammar.ts";

/** In a specification of _arguments, inside single quotes: brackets and colons end a part, quotes the word. */
function described(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
}

/** The message and the action of a specification. */
function action(value: Value): string {
  switch (value.kind) {
    case "words":
      return `value:(${value.words.join(" ")})`;
    case "names":
      // The space keeps _arguments from putting options of its own between the two words.
      return `${value.of}: _homeward_names ${value.of}`;
    case "files":
      return "file:_files";
    case "folders":
      return "folder:_files -/";
    case "anything":
      return "value:";
  }
}

function optionSpec({ name, description, value }: OptionShape): string {
  return `'${name}[${described(description)}]${value === null ? "" : `:${action(value)}`}'`;
}

function commandCase({ name, options, arguments: values }: CommandShape): string {
  const specs = [...options.map(optionSpec), ...values.map((value) => `':${action(value)}'`)];
  return `    ${name})\n      _arguments ${specs.join(" \\\n        ")} ;;`;
}

/** A function file for zsh's fpath. */
export function zshCompletion(commands: readonly CommandShape[]): string {
  return `#compdef homeward
# zsh completion for homeward: homeward completion zsh > a folder of fpath, named _homeward

_homeward_names() {
  local -a names options
  # Given after the command, or before it.
  local folder=\${opt_args[--state]:-$homeward_state}
  [[ -n $folder ]] && options=(--state \${~folder})
  names=(\${(f)"$(homeward complete $1 $options 2>/dev/null)"})
  compadd -a names
}

_homeward_commands() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    '${name}:${summary.replaceAll("'", "'\\''")}'`).join("\n")}
  )
  _describe command commands
}

_homeward() {
  local context state line
  local -A opt_args
  _arguments -C '--state[the state folder of the service]:folder:_files -/' '--json[print JSON Lines]' \\
    '--version[print the version]' '--help[explain]' '1:command:_homeward_commands' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  local homeward_state=\${opt_args[--state]}
  case $words[1] in
${commands.map(commandCase).join("\n")}
  esac
}

if [[ $funcstack[1] == _homeward ]]; then _homeward "$@"; else compdef _homeward homeward; fi
`;
}
