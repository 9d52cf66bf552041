#!/bin/sh
# Runs a command as real root in a tree: enter.sh TREE CMD... In a mount namespace of its own.
#
# Devices are the tree's own, as a container has them: daemons give what is in /dev to their users (nginx its log, when
# that is /dev/null) and make sockets there.
set -eu
tree=$1
shift
for dir in proc sys; do
    mount --rbind "/$dir" "$tree/$dir"
done
mount -t tmpfs -o mode=755 none "$tree/dev"
cd "$tree/dev"
node() { # NAME MINOR [MAJOR]
    mknod -m 666 "$1" c "${3-1}" "$2"
}
node null 3 && node zero 5 && node full 7 && node random 8 && node urandom 9 && node tty 0 5
mkdir pts shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 none pts
mount -t tmpfs -o mode=1777 none shm
ln -s pts/ptmx ptmx
ln -s /proc/self/fd fd
for number in 0 1 2; do
    ln -s "fd/$number" "$(echo "stdin stdout stderr" | cut -d ' ' -f $((number + 1)))"
done
cd "$tree"
exec chroot . "$@"
