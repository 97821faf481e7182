# fish completion for homeward: homeward completion fish > ~/.config/fish/completions/homeward.fish

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
complete -c homeward -n '__homeward_in ""' -a migrate -d 'Moves a workspace: to another host\'s place'
complete -c homeward -n '__homeward_in migrate' -l mode -d 'one of [two]' -x -a 'replay overlay'
complete -c homeward -n '__homeward_in migrate' -l level -d 'don\'t: \\ choose' -x
complete -c homeward -n '__homeward_in migrate' -l export -d 'where to' -x -a '(__fish_complete_directories)'
complete -c homeward -n '__homeward_in migrate' -l hold -d 'leave it'
complete -c homeward -n '__homeward_at migrate 0 --mode --level --export' -x -a '(__homeward_names workspaces)'
complete -c homeward -n '__homeward_at migrate 1 --mode --level --export' -x -a '(__homeward_names hosts)'
complete -c homeward -n '__homeward_in ""' -a demo -d 'Shows it'
complete -c homeward -n '__homeward_in demo' -l session -d 'a file' -r -F
