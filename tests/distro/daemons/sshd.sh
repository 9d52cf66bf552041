# Logins of root and of a user, with PAM and without, with a terminal and without.
mkdir -p /run/sshd /root/.ssh /var/www/.ssh
usermod -s /bin/sh www-data
rm -f /root/.ssh/id
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id
cp /root/.ssh/id.pub /root/.ssh/authorized_keys
cp /root/.ssh/id.pub /var/www/.ssh/authorized_keys
chown -R www-data: /var/www/.ssh
chmod -R go= /root/.ssh /var/www/.ssh
login() { # USER COMMAND [OPTION]
    ssh ${3-} -p 2222 -i /root/.ssh/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        "$1@127.0.0.1" "$2" | tr -d '\r'
}
for pam in yes no; do
    /usr/sbin/sshd -E /tmp/daemon.log -o UsePAM=$pam -p 2222
    until_true "sshd listens" listening 2222
    for user in root www-data; do
        is "PAM $pam, $user" "$(id $user)" "$(login $user id)"
        is "ids" "$(user_ids $user)" "$(login $user ": /proc/*; $own_ids" | paste -s -d ';' | sed 's/;/; /g')"
        # By pam_loginuid. What root itself finds is real, unless everybody is to see the contrary (--proc).
        if [ "$pam$user" = yeswww-data ] && [ -e /proc/self/loginuid ]; then
            is "who has logged in" "$(id -u $user)" "$(login $user 'cat /proc/self/loginuid')"
        fi
        is "whose its sshd is" $user "$(login $user 'ps -o user:32= -p $PPID')"
        is "a terminal's owner" "$user:tty 620" "$(login $user 'stat -c "%U:%G %a" "$(tty)"' -tt)"
        echo "by $user" | ssh -p 2222 -i /root/.ssh/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
            -o LogLevel=ERROR $user@127.0.0.1 'cat > /tmp/by-ssh; stat -c %U:%G /tmp/by-ssh; rm /tmp/by-ssh' | grep -x "$user:$user"
    done
    is "root's own back" "setresuid refused" "$(login www-data 'perl -e "$> = 0; print \$> ? \"setresuid refused\" : \"root again\""')"
    kill "$(cat /run/sshd.pid)"
    gone sshd
done
usermod -s /usr/sbin/nologin www-data
rm -r /root/.ssh /var/www/.ssh
