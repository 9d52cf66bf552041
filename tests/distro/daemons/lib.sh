# What the daemons' scripts share. What is said goes to stdout and has nothing in it that differs between two runs.

# Says what is so, and ends the script if it should be otherwise: is WHAT WANTED GOT
is() {
    if [ "$2" != "$3" ]; then
        printf 'FAILED: %s: wanted <%s>, got <%s>\n' "$1" "$2" "$3"
        # A daemon's logs tell more than its exit status; they are small, as the tree is new.
        tail -n 20 /tmp/daemon.log 2> /dev/null || :
        exit 1
    fi
    printf '%s: %s\n' "$1" "$3"
}

# Waits for a condition: until_true WHAT COMMAND...
until_true() {
    local what=$1
    shift
    for ((try = 0; try < 600; try++)); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    is "$what" true "false for a minute"
}

# What a command says in the end, as a daemon may listen before it becomes a user: soon WHAT WANTED COMMAND
soon() {
    local got
    for ((try = 0; try < 600; try++)); do
        got=$(eval "$3" 2>&1) || :
        if [ "$got" = "$2" ]; then break; fi
        sleep 0.1
    done
    is "$1" "$2" "$got"
}

# No process of this name is there any more.
gone() {
    until_true "$1 is gone" not pgrep -x "$1"
}

not() {
    ! "$@"
}

# What /proc says of a process: real, effective, saved and file system ids, and groups. Who is root and has not listed
# /proc finds real ids in a remainroot (README), so that it is listed first.
ids() {
    : /proc/*
    awk '$1 ~ /^(Uid|Gid|Groups):$/ { sub(/[ \t]+$/, ""); gsub(/[ \t]+/, " "); printf "%s%s", sep, $0; sep = "; " }' "/proc/$1/status"
}

# The ids of a process that is one user's alone: user_ids USER [GROUPS], by default all of its own
user_ids() {
    local uid gid groups
    uid=$(id -u "$1") gid=$(id -g "$1")
    groups=${2-$(id -G "$1" | tr ' ' '\n' | sort -n | paste -s -d ' ')}
    echo "Uid: $uid $uid $uid $uid; Gid: $gid $gid $gid $gid; Groups:${groups:+ $groups}"
}

# What a shell without awk prints of itself, the same way: for texts of `sh -c`.
own_ids='while read -r line; do case $line in Uid:* | Gid:* | Groups:*) echo $line ;; esac; done < /proc/self/status'

# The users, as ps names them, of all processes of a name.
users() {
    ps -C "$1" -o user:32= | sort | uniq -c | awk '{ printf "%s%s", sep, $2; sep = " " }'
}

# Says something to a port of ours and prints the answer: say PORT LINE
say() {
    exec 9<> "/dev/tcp/127.0.0.1/$1"
    printf '%b' "$2" >&9
    timeout 60 cat <&9
    exec 9>&-
}

# A page from a port of ours.
page() {
    say "$1" "GET ${2-/} HTTP/1.0\r\nHost: localhost\r\n\r\n"
}

# Something listens there.
listening() {
    (exec 9<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}

owner() {
    stat -c '%U:%G %a' "$1"
}

# Runs a shell command as a user, whatever shell it has.
as() {
    su -s /bin/sh "$1" -c "$2"
}
