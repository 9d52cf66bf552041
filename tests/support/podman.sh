# shellcheck shell=sh
# What podman and buildah of a user without subuid ranges need, and its removal at the end. For scripts that have this beside
# them, to be read: . "$(dirname "$0")/podman.sh"
#
# They get $state, a directory for images, which are large and belong below HOME, and XDG_RUNTIME_DIR. Two functions may be
# made anew behind it: `ends`, for what comes before the removal, and `remove`, if rm is not enough.

state=$(mktemp -d "${HOME:?}/podman-XXXXXX")
# The user's alone, for sockets: more than 50 characters are refused.
XDG_RUNTIME_DIR=$(mktemp -d /tmp/podman-XXXXXX)
export XDG_RUNTIME_DIR

# podman's words for images and containers in there. With ignore_chown_errors, all files are the one uid's that is mapped.
# shellcheck disable=SC2034 # for those who read this
podman_words="--root $state/root --runroot $XDG_RUNTIME_DIR/run --cgroup-manager cgroupfs --storage-driver vfs
    --storage-opt vfs.ignore_chown_errors=true --log-level error"

ends() {
    :
}
remove() {
    rm -rf "$@"
}
finish() {
    ends
    # The process that holds podman's namespaces outlives it.
    if [ -s "$XDG_RUNTIME_DIR/libpod/tmp/pause.pid" ]; then
        kill "$(cat "$XDG_RUNTIME_DIR/libpod/tmp/pause.pid")"
    fi
    remove "$state" "$XDG_RUNTIME_DIR"
}
trap finish EXIT

# An image of a directory: imported TREE NAME, by whatever podman is there.
imported() {
    tar -C "$1" -c . | podman import --quiet - "$2" > /dev/null
}
