# How every switch changes things: what was there is kept first, so that it can be put back.

fail() {
  printf 'prepare: %s\n' "$1" >&2
  exit "$2"
}

root=
case ${1-} in
  '') [ "$(id -u)" = 0 ] || fail "this has to run as root, inside the guest" 1 ;;
  --root)
    root=${2-}
    [ -d "$root" ] || fail "--root takes the folder that a guest's root file system is mounted at" 2
    ;;
  *) fail "usage: sh prepare.sh [--root DIR]" 2 ;;
esac
kept=$root/var/lib/homeward-prepare
umask 022
mkdir -p "$kept"

# begin NAME: what follows belongs to this switch.
begin() {
  switch=$1
  state=$kept/$switch
}

say() {
  printf '%s: %s\n' "$switch" "$1"
}

# live COMMAND...: only in a guest that runs, and only if it has the command.
live() {
  if [ -z "$root" ] && command -v "$1" >/dev/null 2>&1; then "$@" >/dev/null 2>&1 || say "\"$*\" failed; look at it"; fi
}

note() {
  mkdir -p "$state"
  printf '%s %s\n' "$1" "$2" >>"$state/changes"
}

known() {
  [ -f "$state/changes" ] && grep -qxF -e "was $1" -e "absent $1" -e "hidden $1" "$state/changes"
}

folder() {
  if [ ! -d "$root$1" ]; then
    folder "$(dirname "$1")"
    note folder "$1"
    mkdir "$root$1"
  fi
}

# remember PATH: keeps what is there, before the first change only.
remember() {
  known "$1" && return 0
  folder "$(dirname "$1")"
  if [ -e "$root$1" ] || [ -L "$root$1" ]; then
    mkdir -p "$state/before$(dirname "$1")"
    cp -pP "$root$1" "$state/before$1"
    note was "$1"
  else
    note absent "$1"
  fi
}

# put PATH: the standard input becomes the file's content; its mode and owner stay.
put() {
  cat >"$kept/new"
  if [ -f "$root$1" ] && cmp -s "$kept/new" "$root$1"; then
    say "$1 is so already"
  else
    remember "$1"
    mkdir -p "$state/after$(dirname "$1")"
    cp "$kept/new" "$state/after$1"
    if [ -f "$root$1" ] && [ ! -L "$root$1" ]; then cp -p "$root$1" "$root$1.homeward"; else rm -f "$root$1.homeward"; fi
    cat "$kept/new" >"$root$1.homeward"
    mv -f "$root$1.homeward" "$root$1"
    say "wrote $1"
  fi
  rm -f "$kept/new"
}

# mask UNIT: systemd does not start it any more.
mask() {
  unit=/etc/systemd/system/$1
  if [ "$(readlink "$root$unit" 2>/dev/null)" = /dev/null ]; then
    say "$1 is masked already"
  elif [ -e "$root/lib/systemd/system/$1" ] || [ -e "$root/usr/lib/systemd/system/$1" ] || [ -e "$root$unit" ]; then
    remember "$unit"
    rm -f "$root$unit"
    ln -s /dev/null "$root$unit"
    say "masked $1"
  fi
}

# hide PATH: takes a file away.
hide() {
  mkdir -p "$state/before$(dirname "$1")"
  note hidden "$1"
  mv "$root$1" "$state/before$1"
}

# kernel_words WORDS: added to the kernel's command line.
kernel_words() {
  if [ -e "$root/etc/default/grub" ]; then
    printf 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT %s"\n' "$1" | put "/etc/default/grub.d/homeward-$switch.cfg"
    live update-grub
  else
    say "skipped: there is no GRUB here. Add \"$1\" to the kernel's command line where that is set."
  fi
}

# stays PATH: undoing leaves this one alone.
stays() {
  say "$2"
  printf '%s %s\n' "$kind" "$1" >>"$kept/left"
}

undo_one() {
  case $kind in
    folder) rmdir "$root$1" 2>/dev/null || : ;;
    hidden)
      if [ -e "$root$1" ]; then say "$1 is there again, and stays"; elif [ -e "$state/before$1" ]; then mv "$state/before$1" "$root$1"; fi
      ;;
    was | absent)
      if [ -f "$state/after$1" ] && [ -e "$root$1" ] && ! cmp -s "$state/after$1" "$root$1" && ! cmp -s "$state/before$1" "$root$1"; then
        stays "$1" "$1 was changed since, and stays; what it was before is $state/before$1"
      else
        rm -f "$root$1"
        if [ "$kind" = was ]; then cp -pP "$state/before$1" "$root$1"; fi
      fi
      ;;
  esac
}

# undo NAME: puts back what the switch changed, the last change first.
undo() {
  begin "$1"
  if [ ! -f "$state/changes" ]; then
    say "nothing to undo"
    return 0
  fi
  sed '1!G;h;$!d' "$state/changes" >"$kept/order"
  rm -f "$kept/left"
  while read -r kind path; do undo_one "$path"; done <"$kept/order"
  rm -f "$kept/order"
  if [ -f "$kept/left" ]; then
    mv "$kept/left" "$state/changes"
  else
    rm -rf "$state"
    say "undone"
  fi
}
