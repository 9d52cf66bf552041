#!/bin/sh
# The programs that are tried, into a minbase tree. Tried by hand, and left out for what they weigh (74 MB more): java's
# owner attribute, npm install -g, dnf install.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends sudo gosu s6 busybox-static rsync cpio acl attr libcap2-bin cron man-db \
    adduser systemd procps libc6-i386 python3-pip perl ruby nodejs php-cli rpm pacman-package-manager makepkg \
    libarchive-tools git openssh-client fakeroot
