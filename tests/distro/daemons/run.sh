#!/bin/bash
# Starts, uses and stops daemons, each by the script of its name: run.sh NAME... Run as root of a tree that has them.
#
# They get a network and process numbers of their own, so that ports are free whatever runs on the machine, and so that
# all that is left behind can be seen. What is printed is the same for every root: for the machine's own, too.
set -eu
if [ "$1" != --inside ]; then
    # In a chroot, / is no mount whose propagation could be changed.
    exec unshare --net --pid --fork --mount --propagation unchanged bash "$0" --inside "$@"
fi
shift
cd "$(dirname "$0")"
mount -t proc proc /proc
ip link set lo up

left() {
    # Without this script, its own ps, and the dead that nobody has asked for yet.
    ps -e -o pid=,stat=,user=,args= | grep -v -e '^ *[0-9]* Z' -e 'run.sh --inside' -e 'ps -e -o' -e 'grep -v -e' || :
}

failed=
for name in "$@"; do
    echo "== $name"
    if ! timeout --kill-after=5 300 bash -euo pipefail -c '. ./lib.sh; . "./$0.sh"' "$name" 2>&1; then
        echo "FAILED: $name"
        failed="$failed $name"
    fi
    for ((try = 0; try < 600; try++)); do
        if [ -z "$(left)" ]; then break; fi
        sleep 0.1
    done
    if [ -n "$(left)" ]; then
        printf 'FAILED: %s left\n%s\n' "$name" "$(left)"
        failed="$failed $name"
        # What one leaves must not be counted against the next.
        kill -KILL $(left | awk '{ print $1 }') || :
    fi
done
[ -z "$failed" ]
echo "ALL WELL"
