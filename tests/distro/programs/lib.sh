# Read by the other scripts here: what they have in common. Each check writes its name, what its commands say, and how
# they end; the transcripts of remainroot and of real root must be equal.
export HOME=/root LC_ALL=C.UTF-8 TZ=UTC DEBIAN_FRONTEND=noninteractive
cd /
umask 022

# Ends everything if one of these programs is missing: two transcripts that lack the same would be equal.
needs() {
    local tool
    for tool; do
        command -v "$tool" > /dev/null || { echo "MISSING: $tool"; exit 1; }
    done
}

# Runs the script on standard input, under a name, in an empty directory. Who reads the transcripts refuses those that
# say NOT FOUND.
check() {
    local script status=0
    # shellcheck disable=SC2016 # for the shell below
    script='set -E; trap '\''[ $? != 127 ] || echo "NOT FOUND: $BASH_COMMAND"'\'' ERR
'$(cat)
    printf '== %s\n' "$1"
    rm -rf "$PLACE"
    mkdir "$PLACE"
    (cd "$PLACE" && exec bash -c "$script" "$1" < /dev/null 2>&1) || status=$?
    [ $status = 0 ] || echo "exit status $status"
}

# What a check may call: who we are, by the calls for it and by /proc, and whose files are.
cat > /usr/local/bin/ids << 'END'
#!/bin/sh
id
# Root that has not listed /proc reads what the kernel says of it there.
: /proc/*
grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status
END
cat > /usr/local/bin/owners << 'END'
#!/bin/sh
find "$@" -printf '%p %y %m %U:%G %l\n' | sort
END
chmod 755 /usr/local/bin/ids /usr/local/bin/owners

PLACE=/var/tmp/place
trap 'cd / && rm -rf "$PLACE"' EXIT
