#!/bin/sh
# podman as a user without subuid ranges finds it, before and after it is told of remainroot: install.sh TREE REMAINROOT
set -u
tree=$1 remainroot=$2

# shellcheck source-path=SCRIPTDIR/../support
. "$(dirname "$0")/podman.sh"
remove() {
    # Here, images are where podman has them if nobody says otherwise.
    rm -rf "$@" "$HOME/.local/share/containers"
}

"$remainroot" oci install --engine podman --runtime runc >&2 || exit
# The tree is the user's own, and so are its owners in the archive: unpacked, they are not root's.
imported "$tree" remainroot-test
# No network of its own: that takes /dev/net/tun, which not every machine gives to users.
podman run --rm --network host -u www-data remainroot-test id
podman run --name kept --network host -u 33 remainroot-test id
podman start --attach kept
podman commit --quiet kept committed > /dev/null
podman rm kept > /dev/null
podman run --rm --network host -u 33 committed id
"$remainroot" oci install --engine podman --remove >&2
# Without the one for storage, podman finds no more than the driver by what is there.
podman --runtime runc run --rm --network host -u www-data remainroot-test id || echo "removed: as any other user without ranges of ids"
