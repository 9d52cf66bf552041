#!/bin/sh
# A user's containers by podman with remainroot as its hook: hook.sh TREE HOOKS
set -u
tree=$1 hooks=$2

state=$(mktemp -d "${HOME:?}/podman-XXXXXX")
# More than 50 characters are refused.
XDG_RUNTIME_DIR=$(mktemp -d /tmp/podman-XXXXXX)
export XDG_RUNTIME_DIR
podman() {
    command podman --root "$state/root" --runroot "$XDG_RUNTIME_DIR/run" --runtime runc --cgroup-manager cgroupfs \
        --storage-driver vfs --storage-opt vfs.ignore_chown_errors=true --log-level error --hooks-dir "$hooks" "$@"
}
finish() {
    # The process that holds podman's namespaces outlives it.
    if [ -s "$XDG_RUNTIME_DIR/libpod/tmp/pause.pid" ]; then
        kill "$(cat "$XDG_RUNTIME_DIR/libpod/tmp/pause.pid")"
    fi
    rm -rf "$state" "$XDG_RUNTIME_DIR"
}
trap finish EXIT

tar -C "$tree" -c . | podman import --quiet - remainroot-test > /dev/null
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
