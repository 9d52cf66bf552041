#!/bin/sh
# Empties the files whose contents differ between any two builds, by whomever: settle.sh TREE. Each of them stays, with
# its owner and mode.
set -eu
cd "$1"

# Random by intent: the machine's id, the key and certificate that ssl-cert makes for it, the id of the database.
random="etc/machine-id var/lib/dbus/machine-id
    etc/ssl/private/ssl-cert-snakeoil.key etc/ssl/certs/ssl-cert-snakeoil.pem
    var/lib/postgresql/15/main/global/pg_control var/lib/postgresql/15/main/pg_stat/pgstat.stat
    var/lib/postgresql/15/main/pg_wal/000000010000000000000001"
# Logs: the time of day.
logs="var/log/alternatives.log var/log/apt/history.log var/log/apt/term.log var/log/bootstrap.log var/log/dpkg.log"
# Caches: times and inode numbers of other files.
caches="var/cache/apt/pkgcache.bin var/cache/apt/srcpkgcache.bin var/cache/ldconfig/aux-cache"

for file in $random $logs $caches; do
    : > "$file"
done
