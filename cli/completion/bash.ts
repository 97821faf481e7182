import type { CommandShape, Value } from "./grammar.ts";

/** Bash commands that fill COMPREPLY. */
function offer(value: Value): string {
  switch (value.kind) {
    case "words":
      return `_homeward_words ${value.words.join(" ")}`;
    case "names":
      return `_homeward_words $(_homeward_names ${value.of})`;
    case "files":
      return "_homeward_files -f";
    case "folders":
      return "_homeward_files -d";
    case "anything":
      return ":";
  }
}

function optionCases({ name, options }: CommandShape): string[] {
  return options.flatMap((option) =>
    option.value === null ? [] : [`    ${name}:${option.name}) ${offer(option.value)} ;;`],
  );
}

function argumentCases({ name, arguments: values }: CommandShape): string[] {
  return values.map((value, at) => `    ${name}:${at}) ${offer(value)} ;;`);
}

/** A script to be sourced by bash 4 or later; it needs no other completion package. */
export function bashCompletion(commands: readonly CommandShape[]): string {
  const withValue = commands.flatMap(({ name, options }) =>
    options.filter(({ value }) => value !== null).map((option) => `${name}:${option.name}`),
  );
  return `# bash completion for homeward: source <(homeward completion bash)

_homeward_words() {
  mapfile -t COMPREPLY < <(compgen -W "$*" -- "$current")
}

_homeward_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

_homeward_names() {
  if [[ -n $state ]]; then "$program" complete "$1" --state "$state" 2>/dev/null
  else "$program" complete "$1" 2>/dev/null; fi
}

_homeward_value() {
  case $command:$option in
${commands.flatMap(optionCases).join("\n")}
  esac
}

_homeward_argument() {
  case $command:$position in
${commands.flatMap(argumentCases).join("\n")}
  esac
}

_homeward() {
  local program=\${COMP_WORDS[0]} current=\${COMP_WORDS[COMP_CWORD]} command= option= state= position=0 word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # Bash makes a word of its own of the = in --mode=replay.
    [[ $word == = ]] && continue
    if [[ -n $option ]]; then
      [[ $option == --state ]] && state=\${word/#\\~/$HOME}
      option=
      continue
    fi
    case $command:$word in
      :--state|${withValue.join("|")}) option=$word ;;
      *:-*) ;;
      :*) command=$word ;;
      *) position=$((position + 1)) ;;
    esac
  done
  [[ $current == = ]] && current=
  if [[ -n $option ]]; then
    if [[ $option == --state ]]; then _homeward_files -d; else _homeward_value; fi
  elif [[ $current == -* ]]; then
    case $command in
      "") _homeward_words --state --json --version --help ;;
${commands.map(({ name, options }) => `      ${name}) _homeward_words ${options.map((option) => option.name).join(" ")} ;;`).join("\n")}
    esac
  elif [[ -z $command ]]; then
    _homeward_words ${commands.map(({ name }) => name).join(" ")}
  else
    _homeward_argument
  fi
}

complete -F _homeward homeward
`;
}
