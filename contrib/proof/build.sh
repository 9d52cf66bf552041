#!/bin/sh
# Builds one image from nothing: build.sh TREE MIRROR. The same script runs as real root, and as nobody in particular
# under remainroot.
set -eu
tree=$1 mirror=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

debootstrap --variant=minbase bookworm "$tree" "$mirror"
for dir in proc sys dev; do
    mount --rbind "/$dir" "$tree/$dir"
done
cat /etc/resolv.conf > "$tree/etc/resolv.conf"
chroot "$tree" apt-get update
chroot "$tree" apt-get install -y postgresql nginx-light man-db systemd libcap2-bin iputils-ping
