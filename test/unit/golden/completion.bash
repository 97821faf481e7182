# bash completion for homeward: source <(homeward completion bash)

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
    migrate:--mode) _homeward_words replay overlay ;;
    migrate:--level) : ;;
    migrate:--export) _homeward_files -d ;;
    demo:--session) _homeward_files -f ;;
  esac
}

_homeward_argument() {
  case $command:$position in
    migrate:0) _homeward_words $(_homeward_names workspaces) ;;
    migrate:1) _homeward_words $(_homeward_names hosts) ;;
  esac
}

_homeward() {
  local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} command= option= state= position=0 word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    # Bash makes a word of its own of the = in --mode=replay.
    [[ $word == = ]] && continue
    if [[ -n $option ]]; then
      [[ $option == --state ]] && state=${word/#\~/$HOME}
      option=
      continue
    fi
    case $command:$word in
      :--state|migrate:--mode|migrate:--level|migrate:--export|demo:--session) option=$word ;;
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
      migrate) _homeward_words --mode --level --export --hold ;;
      demo) _homeward_words --session ;;
    esac
  elif [[ -z $command ]]; then
    _homeward_words migrate demo
  else
    _homeward_argument
  fi
}

complete -F _homeward homeward
