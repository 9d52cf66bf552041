#!/bin/sh
# Makes a tree from nothing, installs the packages in it, and writes down what each file is like: one run from first
# to last, so that what it prints can be compared between real root and remainroot. whole.sh TREE MIRROR LISTING
set -eu
here=$(dirname "$(realpath "$0")")
tree=$1 mirror=$2 listing=$3

debootstrap --variant=minbase bookworm "$tree" "$mirror"
for dir in proc sys dev; do
    mount --rbind "/$dir" "$tree/$dir"
done
cat /etc/resolv.conf > "$tree/etc/resolv.conf"
cp "$here/install.sh" "$tree/root/"
chroot "$tree" sh /root/install.sh postfix
chroot "$tree" apt-get install -y acl attr

# Type, mode, owner, number of links and aim of every file; capabilities and other attributes; ACLs.
# shellcheck disable=SC2016
chroot "$tree" sh -c '
    find / -xdev ! -path /proc ! -path /sys ! -path /dev -printf "%p %y %m %U:%G %n %l\n" | sort
    find / -xdev ! -type l -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex --absolute-names
    find / -xdev ! -type l -print0 | sort -z | xargs -0 getfacl -nsp
' > "$listing"
