#!/bin/sh
# Images that a user with one id builds by podman and buildah, the engine as a whole under remainroot:
# build.sh TREE REMAINROOT
#
# What is printed is for the test to look at; layers are listed by a plain tar.
set -eu
tree=$1 remainroot=$2

# shellcheck source-path=SCRIPTDIR/../support
. "$(dirname "$0")/podman.sh"
remove() {
    # Directories of the images may be read-only.
    "$remainroot" -- rm -rf "$@"
}

export HOME="$state"
cd "$state"
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$state/root" "$XDG_RUNTIME_DIR/run" > storage.conf
printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\nnetns = "host"\n' > containers.conf
export CONTAINERS_STORAGE_CONF="$state/storage.conf" CONTAINERS_CONF="$state/containers.conf"
mkdir context
echo text > context/file
cat > context/Dockerfile <<'EOT'
FROM localhost/base
RUN mkdir -p /data/cache && touch /data/shadow /data/agent && ln -s shadow /data/link && mkfifo /data/pipe && \
    chown 33 /data/cache && chown -h 5:6 /data/link /data/pipe && chown 0:42 /data/shadow && chmod 640 /data/shadow && \
    chown 0:101 /data/agent && chmod 2755 /data/agent
COPY --chown=33:33 file /data/file
USER www-data
RUN id -u && touch /tmp/theirs && cat /data/file
EOT

cat > inside.sh <<'EOT'
set -eu
show() {
    rm -rf layers
    podman save --quiet --format oci-dir --output layers "$1" > /dev/null
    for blob in layers/blobs/sha256/*; do
        # Some are no archives.
        tar -tvf "$blob" 2> /dev/null || true
    done | awk '$NF ~ /^data\/.|theirs$|shadow$/ || /->/ && /data.link/ { print $1, $2, $6 }' | sort -k 3
}
tar -C "$1" -c . | podman import --quiet - localhost/base > /dev/null
echo "by podman and $2:"
podman --runtime "$2" build --quiet --tag one context > /dev/null
show one
podman --runtime "$2" run --rm --user www-data one stat -c %u:%g /data/cache /data/pipe
echo "by buildah, in a chroot:"
buildah bud --quiet --isolation chroot --tag two context > /dev/null
show two
EOT
podman --log-level error unshare "$remainroot" -- sh inside.sh "$tree" crun
# Containers from it need no more than the runtime.
echo "from outside:"
ln -s "$remainroot" remainroot-runc
podman --log-level error --runtime "$state/remainroot-runc" run --rm --user 33:4 two \
    sh -c 'id -g; stat -c "%u:%g %a" /data/cache /data/file /data/agent'
