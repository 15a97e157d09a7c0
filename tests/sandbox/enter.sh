#!/usr/bin/env bash
# enter.sh ROOT [--bind SOURCE TARGET]... -- COMMAND [ARG...]
#
# Runs COMMAND in the Debian root ROOT, as root, or as root of a user namespace where the caller is an ordinary user.
# ROOT is read-only inside, so several pools can share it; what is to be written is bound over it. /tmp is shared.
# COMMAND and all that it starts live in a process namespace of their own, and end when COMMAND or the caller ends.
set -euo pipefail

if [[ $1 != --inside ]]; then
  namespaces=(--mount --pid --fork --kill-child --propagation private)
  ((EUID == 0)) || namespaces+=(--user --map-root-user)
  # The caller's death kills unshare, whose death kills the first process of the namespace, and with it all others.
  exec setpriv --pdeathsig KILL unshare "${namespaces[@]}" -- "$0" --inside "$@"
fi

root=$2
shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
# A fresh /proc, for the new process namespace. A user namespace in a container that hides parts of /proc may not.
mount -t proc proc "$root/proc" || {
  echo "Cannot mount /proc in a user namespace here (is this itself a container?): run this as root." >&2
  exit 69
}
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount --bind /tmp "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
for file in /etc/hosts /etc/resolv.conf /etc/localtime; do # the machine's names and time zone
  [[ ! -f $file ]] || mount --bind "$file" "$root$file"
done
while [[ $1 == --bind ]]; do
  mount --bind "$2" "$root$3"
  shift 3
done
shift

# In a plain chroot neither HTCondor's starter nor Apptainer may make namespaces: the root has to be the real one.
cd "$root"
pivot_root . .
umount --lazy .
cd /
# The shell stays as the first process and reaps what jobs leave behind. Nothing of the caller's environment goes in.
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 ${TZ+TZ="$TZ"} \
  /bin/bash -c '"$@" & wait $!' init "$@"
