#!/bin/sh
# Runs a command in a bubblewrap sandbox with one mapped uid: env-bwrap.sh TREE REMAINROOT CMD...
#
# The command is root by name only: bubblewrap leaves it no capability at all, not even over its own files.
set -eu
tree=$1 binary=$2
shift 2

exec bwrap --unshare-user --uid 0 --gid 0 --unshare-pid --die-with-parent \
    --bind "$tree" / --proc /proc --dev /dev --ro-bind /sys /sys \
    --ro-bind /etc/resolv.conf /etc/resolv.conf --ro-bind "$binary" /usr/local/bin/remainroot \
    --clearenv --setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --setenv HOME /root \
    "$@"
