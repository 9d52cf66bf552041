#!/bin/sh
# Runs a command as real root in a tree, with what remainroot --rootfs gives: enter.sh TREE CMD...
#
# Called in a mount namespace of its own, and in one for processes, whose /proc it mounts. The machine's /dev is left
# alone: daemons give what is in it to their users (nginx its log, when that is /dev/null) and make sockets there, and
# other programs tidy it up.
set -eu
tree=$1
shift
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
node() { # NAME MAJOR MINOR
    mknod -m 666 "$tree/dev/$1" c "$2" "$3"
}
node null 1 3 && node zero 1 5 && node full 1 7 && node random 1 8 && node urandom 1 9 && node tty 5 0
mkdir "$tree/dev/pts" "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$tree/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
ln -s /proc/self/fd/0 "$tree/dev/stdin"
ln -s /proc/self/fd/1 "$tree/dev/stdout"
ln -s /proc/self/fd/2 "$tree/dev/stderr"
cat /etc/resolv.conf > "$tree/etc/resolv.conf"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(hostname)" > "$tree/etc/hosts"
# Whoever runs this may be in more groups than root is.
exec setpriv --groups 0 chroot "$tree" "$@"
