import type { CommandShape, OptionShape, Value } from "./grammar.ts";

/** Inside single quotes of fish only these two need a backslash. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

/** What is offered for a value, as options of fish's complete. */
function offer(value: Value): string {
  switch (value.kind) {
    case "words":
      return `-x -a ${quoted(value.words.join(" "))}`;
    case "names":
      return `-x -a ${quoted(`(__homeward_names ${value.of})`)}`;
    case "files":
      return "-r -F";
    case "folders":
      return "-x -a '(__fish_complete_directories)'";
    case "anything":
      return "-x";
  }
}

function optionLine(command: string, { name, description, value }: OptionShape): string {
  const about = `-l ${name.replace(/^--/, "")} -d ${quoted(description)}`;
  return `complete -c homeward -n '__homeward_in ${command}' ${about}${value === null ? "" : ` ${offer(value)}`}`;
}

function commandLines({ name, summary, options, arguments: values }: CommandShape): string[] {
  const takesValue = options.filter(({ value }) => value !== null).map((option) => option.name);
  return [
    `complete -c homeward -n '__homeward_in ""' -a ${name} -d ${quoted(summary)}`,
    ...options.map((option) => optionLine(name, option)),
    ...values.map(
      (value, at) =>
        `complete -c homeward -n ${quoted(`__homeward_at ${name} ${at} ${takesValue.join(" ")}`)} ${offer(value)}`,
    ),
  ];
}

/** A script for ~/.config/fish/completions. */
export function fishCompletion(commands: readonly CommandShape[]): string {
  return `# fish completion for homeward: homeward completion fish > ~/.config/fish/completions/homeward.fish

function __homeward_words
  # The words after "homeward" that are neither an option nor the value of one; the value takers are the arguments.
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
    else if contains -- $word --state $argv
      set skip 1
    else if not string match -q -- '-*' $word
      echo $word
    end
  end
end

function __homeward_in
  # Whether the command is this one; "" while none was given.
  set -l words (__homeward_words)
  test "$words[1]" = "$argv[1]"
end

function __homeward_at
  # Whether the command is the first argument, and so many of its own arguments were given as the second says.
  set -l words (__homeward_words $argv[3..-1])
  test "$words[1]" = "$argv[1]"; and test (count $words) = (math $argv[2] + 1)
end

function __homeward_names
  type -q homeward; or return
  set -l words (commandline -opc)
  set -l at (contains -i -- --state $words)
  if test -n "$at"; and test (count $words) -gt $at
    homeward complete $argv[1] --state $words[(math $at + 1)] 2>/dev/null
  else
    homeward complete $argv[1] 2>/dev/null
  end
end

complete -c homeward -f
complete -c homeward -l state -d 'the state folder of the service' -x -a '(__fish_complete_directories)'
complete -c homeward -l json -d 'print JSON Lines'
complete -c homeward -n '__homeward_in ""' -l version -d 'print the version'
${commands.flatMap(commandLines).join("\n")}
`;
}
