#!/bin/sh
# A user's containers by podman with remainroot as its hook: hook.sh TREE HOOKS
set -u
tree=$1 hooks=$2

# shellcheck source-path=SCRIPTDIR/../support
. "$(dirname "$0")/podman.sh"
podman() {
    # shellcheck disable=SC2086 # words of their own
    command podman $podman_words --runtime runc --hooks-dir "$hooks" "$@"
}

imported "$tree" remainroot-test
# Owners are the container's: they are there when it is started again.
podman create --name twice --network host remainroot-test sh -c \
    '[ -p /tmp/f ] || { mkfifo /tmp/f; chown 33:4 /tmp/f; }; stat -c %u:%g /tmp/f' > /dev/null
podman run --rm --network host --user www-data remainroot-test id
podman start --attach twice
podman run --rm --network host --user 33:33 --rootfs "$tree" id
podman run --rm --network host --annotation org.remainroot.enable=maybe remainroot-test id > "$state/log" 2>&1
grep '^remainroot: ' "$state/log"
podman start --attach twice
podman rm twice > /dev/null
