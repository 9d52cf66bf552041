#!/bin/sh
# The programs that are tried, into a minbase tree. microdnf is not in Debian 12.
set -eu
export DEBIAN_FRONTEND=noninteractive
# For the other busybox: as packages, the two exclude each other.
dpkg --add-architecture i386
apt-get update
apt-get install -y --no-install-recommends sudo gosu s6 busybox-static rsync cpio acl attr libcap2-bin cron man-db \
    adduser systemd procps libc6-i386 python3-pip perl ruby nodejs php-cli openjdk-17-jre-headless libecj-java rpm dnf \
    createrepo-c pacman-package-manager makepkg libarchive-tools git openssh-client openssh-server fakeroot
cd /
# npm and 350 small packages that have no scripts: installed, they would take longer than all others.
apt-get install -y --no-install-recommends --download-only npm
for package in $(apt-get install --simulate --no-install-recommends npm | sed -n 's/^Inst \([^ ]*\) .*/\1/p'); do
    dpkg-deb --fsys-tarfile "/var/cache/apt/archives/${package}"_*.deb | tar -x --keep-directory-symlink
done
cd /var/tmp
apt-get download busybox-static:i386
dpkg-deb --fsys-tarfile busybox-static_*_i386.deb | tar -xO ./bin/busybox > /usr/local/bin/busybox-32
chmod 755 /usr/local/bin/busybox-32
rm busybox-static_*_i386.deb
npm --version
