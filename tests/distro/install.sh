#!/bin/sh
# Installs many packages that drop privileges, make users, own files, and set capabilities and ACLs; then looks at
# what has become of them. Run as root of a minbase tree: install.sh postfix|exim4, whichever mail server is meant
# (they exclude each other). Nothing is said to apt that would make its work easier.
set -eu
mailer=$1
export DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y "$mailer" adduser sudo systemd libcap2-bin iputils-ping tcpdump openssh-server postgresql ssl-cert \
    nginx-light redis-server dbus polkitd avahi-daemon cron at man-db screen chrony fontconfig mariadb-server

nothing() { # WHAT OUTPUT: fails if there is any
    if [ -n "$2" ]; then
        printf 'FAILED: %s:\n%s\n' "$1" "$2"
        exit 1
    fi
}

nothing "packages that are not configured" "$(dpkg-query -Wf '${db:Status-Status} ${Package}\n' | grep -v '^installed ')"
nothing "dpkg --audit" "$(dpkg --audit)"
nothing "files of nobody's" "$(find / -xdev \( -nouser -o -nogroup \) 2>&1)"

cluster=$(pg_lsclusters --no-header | cut -d ' ' -f 6)
[ -s "$cluster/PG_VERSION" ] || nothing "no PostgreSQL cluster" "$(pg_lsclusters)"
nothing "files of the cluster that are not PostgreSQL's" "$(find "$cluster" ! -user postgres -o ! -group postgres)"
nothing "apt's lists that are not root's" "$(find /var/lib/apt/lists -maxdepth 1 -type f ! -user root)"
[ "$(stat -c %U:%a /var/lib/apt/lists/partial)" = _apt:700 ] ||
    nothing "apt's sandbox did not get its directory" "$(ls -ld /var/lib/apt/lists/partial)"
[ "$(stat -c %U:%G:%a /usr/lib/dbus-1.0/dbus-daemon-launch-helper)" = root:messagebus:4754 ] ||
    nothing "the set-user-ID helper of dbus" "$(ls -l /usr/lib/dbus-1.0/dbus-daemon-launch-helper)"
[ "$(getcap /usr/bin/ping)" = "/usr/bin/ping cap_net_raw=ep" ] || nothing "the capability of ping" "$(getcap -v /usr/bin/ping)"
[ "$(su postgres -c 'id -un')" = postgres ] || nothing "su postgres" "$(su postgres -c id 2>&1)"

echo "ALL WELL with $mailer"
