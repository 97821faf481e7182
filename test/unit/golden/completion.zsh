#compdef homeward
# zsh completion for homeward: homeward completion zsh > a folder of fpath, named _homeward

_homeward_names() {
  local -a names options
  # Given after the command, or before it.
  local folder=${opt_args[--state]:-$homeward_state}
  [[ -n $folder ]] && options=(--state ${~folder})
  names=(${(f)"$(homeward complete $1 $options 2>/dev/null)"})
  compadd -a names
}

_homeward_commands() {
  local -a commands
  commands=(
    'migrate:Moves a workspace: to another host'\''s place'
    'demo:Shows it'
  )
  _describe command commands
}

_homeward() {
  local context state line
  local -A opt_args
  _arguments -C '--state[the state folder of the service]:folder:_files -/' '--json[print JSON Lines]' \
    '--version[print the version]' '--help[explain]' '1:command:_homeward_commands' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  local homeward_state=${opt_args[--state]}
  case $words[1] in
    migrate)
      _arguments '--mode[one of \[two\]]:value:(replay overlay)' \
        '--level[don'\''t\: \\ choose]:value:' \
        '--export[where to]:folder:_files -/' \
        '--hold[leave it]' \
        ':workspaces: _homeward_names workspaces' \
        ':hosts: _homeward_names hosts' ;;
    demo)
      _arguments '--session[a file]:file:_files' ;;
  esac
}

if [[ $funcstack[1] == _homeward ]]; then _homeward "$@"; else compdef _homeward homeward; fi
