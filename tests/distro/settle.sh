#!/bin/sh
# Empties what differs between any two builds of the tree that whole.sh makes: what the proof has (contrib/proof), and
# what its other packages add. settle.sh TREE
set -eu
here=$(dirname "$(realpath "$0")")
sh "$here/proof-settle.sh" "$1"
cd "$1"

# The time of day, the keys of this machine, and MariaDB's tables, which hold times and random numbers.
for file in etc/aliases.db etc/ssh/ssh_host_*; do
    : > "$file"
done
find var/lib/mysql -type f -exec truncate --size=0 {} +
