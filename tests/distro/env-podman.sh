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

# shellcheck source-path=SCRIPTDIR/../support
. "$(dirname "$0")/podman.sh"
podman() {
    # shellcheck disable=SC2086 # words of their own
    command podman $podman_words --runtime runc "$@"
}

imported "$tree" remainroot-test
podman run --rm --network host --volume "$binary:/usr/local/bin/remainroot:ro" remainroot-test "$@"
