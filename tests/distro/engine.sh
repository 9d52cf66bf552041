#!/bin/sh
# What a user with one id does with podman: an image by a Dockerfile that installs packages, and a container of it in
# which PostgreSQL is installed and asked from outside: engine.sh TREE REMAINROOT
#
# The engine as a whole is under remainroot for the image, and calls remainroot as its runtime for the container.
set -eu
tree=$(realpath "$1") remainroot=$2

# shellcheck source-path=SCRIPTDIR/../support
. "$(dirname "$0")/podman.sh"
export HOME="$state"
ends() {
    podman rm --force --time 5 --all > /dev/null 2>&1 || true
}
remove() {
    # Directories of the images may be read-only.
    "$remainroot" -- rm -rf "$@"
}

cd "$state"
cat > storage.conf <<EOT
[storage]
driver = "vfs"
graphroot = "$state/root"
runroot = "$XDG_RUNTIME_DIR/run"
[storage.options.vfs]
ignore_chown_errors = "true"
EOT
printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\n[containers]\nnetns = "host"\n' > containers.conf
export CONTAINERS_STORAGE_CONF="$state/storage.conf" CONTAINERS_CONF="$state/containers.conf"
mkdir context sockets
chmod 1777 sockets
echo hello > context/index.html
cat > context/Dockerfile <<'EOT'
FROM localhost/base
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light openssh-client
COPY --chown=33:33 index.html /var/www/html/index.html
USER www-data
RUN id && touch /tmp/theirs
EOT
podman --log-level error unshare "$remainroot" -- sh -euxc '
    tar -C "$0" -c . | podman import --quiet - localhost/base
    podman build --layers=false --tag web context
    podman save --quiet --format oci-dir --output image web' "$tree"
for blob in image/blobs/sha256/*; do
    # Some are no archives.
    tar -tvf "$blob" 2> /dev/null || true
done > listing
shown() { # OWNER PATH
    grep -q "^[^ ]* $1 .* \(\./\)\?$2\$" listing || { echo "FAILED: $2 is not $1's:"; grep "$2" listing; exit 1; }
}
agent=$(sed -n 's/^-rwxr-sr-x 0\/\([0-9]*\) .*usr\/bin\/ssh-agent$/\1/p' listing)
case $agent in
'' | 0) echo "FAILED: ssh-agent has no group of its own"; grep ssh-agent listing; exit 1 ;;
esac
shown 33/33 var/www/html/index.html
shown 33/33 tmp/theirs
shown 33/4 var/log/nginx/access.log
shown '\(root/shadow\|0/42\)' etc/shadow
echo "the image is well"

cat > context/serve.sh <<'EOT'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends postgresql openssh-server
[ "$(stat -c %U:%G:%a /var/lib/postgresql/15/main)" = postgres:postgres:700 ]
mkdir -p /run/sshd && /usr/sbin/sshd -t
echo "unix_socket_directories = '/sockets'" >> /etc/postgresql/15/main/postgresql.conf
echo "listen_addresses = ''" >> /etc/postgresql/15/main/postgresql.conf
# Whoever can reach the socket.
sed -i '1i local all all trust' /etc/postgresql/15/main/pg_hba.conf
# Before it is there to be asked, for then the end comes soon.
trap 'pg_ctlcluster 15 main stop; exit 0' TERM
pg_ctlcluster 15 main start
while :; do sleep 0.2; done
EOT
ln -s "$remainroot" remainroot-runc
podman() {
    command podman --log-level error --runtime "$state/remainroot-runc" "$@"
}
podman run --detach --name served --user root --volume "$state/sockets:/sockets" \
    --volume "$state/context/serve.sh:/serve.sh:ro" web bash /serve.sh
# Packages take a while; the time limit is the test's.
until psql -h "$state/sockets" -U postgres -Atc 'select 6 * 7' > answer 2> refused; do
    [ "$(podman inspect --format '{{.State.Running}}' served)" = true ] || { podman logs served; exit 1; }
    sleep 0.5
done
[ "$(cat answer)" = 42 ]
[ "$(podman exec --user postgres served sh -c 'id -un; psql -h /sockets -Atc "select current_user"')" = "postgres
postgres" ]
podman stop --time 60 served
status=$(podman inspect --format "{{.State.ExitCode}}" served)
[ "$status" = 0 ] || { echo "FAILED: the server ended with $status:"; podman logs --tail 20 served; exit 1; }
echo "PostgreSQL is well"
