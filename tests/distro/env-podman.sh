#!/bin/sh
# Runs a command in a rootless podman container: env-podman.sh TREE REMAINROOT CMD...
#
# The tree is imported as an image by the present user, who needs no subuid ranges: with ignore_chown_errors podman
# gives all files to the one uid that is mapped. The container is podman's default one: eleven capabilities, no
# CAP_SYS_ADMIN, a seccomp filter. REMAINROOT is mounted into it by hand. runc insists on cgroups in the
# configuration, but goes on without where it may not make any.
set -eu
tree=$1 binary=$2
shift 2

# Images are large and belong below HOME. The directory for sockets must be the user's alone, and its path short: more
# than 50 characters are refused.
state=$(mktemp -d "${HOME:?}/podman-XXXXXX")
XDG_RUNTIME_DIR=$(mktemp -d /tmp/podman-XXXXXX)
export XDG_RUNTIME_DIR
podman() {
    command podman --root "$state/root" --runroot "$XDG_RUNTIME_DIR/run" --runtime runc --cgroup-manager cgroupfs \
        --storage-driver vfs --storage-opt vfs.ignore_chown_errors=true --log-level error "$@"
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
podman run --rm --network host --volume "$binary:/usr/local/bin/remainroot:ro" remainroot-test "$@"
