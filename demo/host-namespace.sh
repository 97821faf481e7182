#!/bin/sh
# host-namespace.sh WORK "SHARED..." "HIDDEN..." COMMAND [ARGUMENT...]
#
# Runs as the first process of new mount and process namespaces (unshare --mount --pid --fork --mount-proc). Makes a
# computer of its own as far as files go: of the folder WORK only the folders SHARED (names inside WORK) are left, nothing
# else in it exists here; and /dev/shm is its own. Checks that none of HIDDEN can be seen, then runs the command. When that
# ends, this ends, and the kernel kills whatever else runs in here.
set -eu

work=$1 shared=$2 hidden=$3
shift 3
room=$work/.room-${shared%% *}
mkdir "$room"
mount -t tmpfs -o mode=0700,size=1m homeward-demo "$room"
for name in $shared; do
  mkdir "$room/$name"
  mount --bind "$work/$name" "$room/$name"
done
mount --rbind "$room" "$work"
mount -t tmpfs -o mode=1777 homeward-demo /dev/shm

for name in $hidden; do
  if [ -e "$work/$name" ]; then
    echo "$work/$name is visible" >&2
    exit 70
  fi
done

# Not exec: a shell as the first process also collects the orphans that others leave.
"$@" &
wait $!
