#!/bin/sh
# Prints the address of the mirror that this system's apt takes Debian bookworm's packages from, as debootstrap wants
# it. apt itself reads its configuration, whichever form that has (sources.list, deb822).
set -eu
# shellcheck disable=SC2016
apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' |
    grep -m 1 . || { echo "apt has no source for Debian bookworm here: run apt-get update?" >&2; exit 1; }
