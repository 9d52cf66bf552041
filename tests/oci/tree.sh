#!/bin/sh
# Makes a small root file system of this machine's own programs: tree.sh DIR
set -eu
tree=$1

mkdir -p "$tree/bin" "$tree/etc" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/run" "$tree/tmp" "$tree/root"
for name in bash cat chmod chown dash grep id ln ls mkdir mkfifo rm sleep stat stty touch tty; do
    program=$(command -v "$name")
    cp -L "$program" "$tree/bin/$name"
    for library in $(ldd "$program" | grep -o '/[^ ]*'); do
        mkdir -p "$tree${library%/*}"
        cp -L "$library" "$tree$library"
    done
done
ln -s dash "$tree/bin/sh"
printf '%s\n' root:x:0:0:root:/root:/bin/sh www-data:x:33:33:www-data:/var/www:/bin/sh > "$tree/etc/passwd"
printf '%s\n' root:x:0: adm:x:4: www-data:x:33: > "$tree/etc/group"
