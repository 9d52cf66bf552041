#!/bin/sh
# Runs a command in a tree as real root, with what remainroot --rootfs gives: natively.sh TREE CMD…
# Called in a mount and a pid namespace of its own. The machine's /dev is left alone: some of the programs tidy it up.
set -eu
tree=$1
shift
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
    # shellcheck disable=SC2086 # three words
    set -- $device "$@"
    mknod -m 666 "$tree/dev/$1" c "$2" "$3"
    shift 3
done
mkdir "$tree/dev/pts" "$tree/dev/shm"
chmod 1777 "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$tree/dev/pts"
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
cat /etc/resolv.conf > "$tree/etc/resolv.conf"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(hostname)" > "$tree/etc/hosts"
exec setpriv --groups 0 chroot "$tree" "$@"
