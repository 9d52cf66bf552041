# Becomes avahi in a root directory of its own, with a helper that stays root, and answers over the bus.
. ./bus.sh
avahi-daemon --daemonize > /tmp/daemon.log 2>&1
until_true "avahi answers" busctl call org.freedesktop.Avahi / org.freedesktop.Avahi.Server GetVersionString
is "its version" 's "avahi' "$(busctl call org.freedesktop.Avahi / org.freedesktop.Avahi.Server GetVersionString | cut -d ' ' -f 1-2)"
is "as the bus knows it" avahi "$(busctl list --no-legend --no-pager | awk '$1 == "org.freedesktop.Avahi" { print $4 }')"
soon "the server" "$(user_ids avahi)" 'ids "$(cat /run/avahi-daemon/pid)"'
is "its socket" "avahi:avahi 777" "$(owner /run/avahi-daemon/socket)"
soon "its helper" "avahi" 'users avahi-daemon'
avahi-daemon --kill
gone avahi-daemon
stop_bus
