#!/bin/bash
# Installs what install.sh has not, and runs the daemons that go with its mail server: all.sh postfix|exim4
set -eu
export DEBIAN_FRONTEND=noninteractive
here=$(dirname "$0")
case $1 in
postfix)
    apt-get install -y --no-install-recommends iproute2 procps apache2 memcached haproxy rsyslog file
    exec bash "$here/run.sh" nginx sshd postgresql mariadb dbus cron apache2 redis memcached haproxy postfix atd polkitd \
        avahi chronyd rsyslog journald sandboxes
    ;;
exim4)
    apt-get install -y --no-install-recommends iproute2 procps
    exec bash "$here/run.sh" exim4
    ;;
esac
