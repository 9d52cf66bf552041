# Programs with a filter of their own for calls, or with memory that nobody may read.
is "file" "symbolic link to usr/bin" "$(file -b /bin)"
is "file, of a program" "ELF 64-bit LSB pie executable" "$(file -b /usr/bin/id | cut -d , -f 1)"
is "file, as a user" "ELF 64-bit LSB pie executable" "$(as www-data 'file -b /usr/bin/id' | cut -d , -f 1)"
mkdir -p /usr/local/share/man/man1
printf '.TH daemons 1\n.SH NAME\ndaemons \\- a page of ours\n.SH TEXT\nMuch text.\n' | gzip > /usr/local/share/man/man1/daemons.1.gz
mandb -q
is "man's index" "man" "$(stat -c %U /var/cache/man/index.db)"
is "whatis" "daemons (1) - a page of ours" "$(whatis daemons | tr -s ' ')"
is "man" "Much text." "$(man -P cat daemons 2>&1 | sed -n 's/^ *\(Much text\.\)/\1/p')"
is "man, as a user" "Much text." "$(as www-data 'man -P cat daemons' 2>&1 | sed -n 's/^ *\(Much text\.\)/\1/p')"
for user in root www-data; do
    dir=$(as $user 'mktemp -d')
    as $user "ssh-keygen -q -t ed25519 -N '' -f $dir/key -C key-of-$user
        eval \$(ssh-agent -a $dir/agent) > /dev/null
        ssh-add -q $dir/key
        echo agent of \$(ssh-add -l | cut -d ' ' -f 3), \$(stat -c %U:%a $dir/agent), \$(stat -c %U /proc/\$SSH_AGENT_PID/stat)
        ssh-agent -k > /dev/null" > /tmp/said
    is "ssh-agent" "agent of key-of-$user, $user:600, root" "$(cat /tmp/said)"
    rm -r "$dir"
done
rm /tmp/said /usr/local/share/man/man1/daemons.1.gz
