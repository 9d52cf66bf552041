#!/bin/sh
# A user's containers by podman with remainroot as its runtime: containers.sh TREE RUNTIME TERMINAL.PY
#
# What is printed is for the test to look at.
set -u
tree=$1 runtime=$2 terminal=$3

# shellcheck source-path=SCRIPTDIR/../support
. "$(dirname "$0")/podman.sh"
podman() {
    # shellcheck disable=SC2086 # words of their own
    command podman $podman_words --runtime "$runtime" "$@"
    status=$?
    [ $status = 0 ] || echo "status $status"
}

imported "$tree" remainroot-test
podman run --rm --network host remainroot-test sh -c 'id; exit 4'
podman run --rm --network host --user www-data remainroot-test sh -c 'id; echo $HOME; touch /tmp/x; stat -c %u:%g /tmp/x'
podman run --rm --network host --user 33 --security-opt no-new-privileges remainroot-test id
script='trap "echo got TERM; exit 5" TERM; touch /tmp/f; chown 33:4 /tmp/f; touch /tmp/ready; while :; do sleep 0.05; done'
podman run --rm --network host --user 0:33 --group-add 4 remainroot-test id
podman run --rm --network host --user 33 --rootfs "$tree" id -u
podman run --rm --network host remainroot-test sh -c 'kill -9 $$'
podman run --detach --name loop --network host remainroot-test bash -c "$script" > /dev/null
podman exec loop sh -c 'while ! [ -e /tmp/ready ]; do sleep 0.05; done; id'
podman exec --user 33 loop sh -c 'id; stat -c %u:%g /tmp/f; exit 6'
podman exec loop not-there
podman stop --time 20 loop
podman logs loop
podman inspect --format '{{.State.ExitCode}}' loop
podman start loop
podman exec loop stat -c %u:%g /tmp/f
podman restart --time 20 loop
podman kill --signal KILL loop
podman wait loop
podman commit --quiet loop committed > /dev/null
podman rm loop > /dev/null
podman run --rm --network host committed stat -c %u:%g /tmp/f

# Health is asked for as the container's user.
podman run --detach --name health --network host --user 33 --health-interval disable \
    --health-cmd '[ "$(id -u)" = 33 ] && [ -e /tmp/well ]' remainroot-test \
    bash -c 'trap "exit 0" TERM; while :; do sleep 0.05; done' > /dev/null
podman healthcheck run health
podman exec health touch /tmp/well
podman healthcheck run health && echo healthy
podman stop --time 20 health
podman rm health > /dev/null

# shellcheck disable=SC2086
python3 "$terminal" podman $podman_words --runtime "$runtime"
podman wait tty
podman rm tty > /dev/null
