# A job of root's and one of a user's, each with its ids.
rm -f /tmp/by-at-*
sed -i /^www-data/d /etc/at.deny
atd
for user in root www-data; do
    as $user "cd /tmp; echo 'id > /tmp/by-at-$user' | at now" > /tmp/daemon.log 2>&1
    until_true "the job ran" [ -s /tmp/by-at-$user ]
    is "a job of $user" "$(id $user)" "$(cat /tmp/by-at-$user)"
    is "its output" "$user:$user" "$(stat -c %U:%G /tmp/by-at-$user)"
done
soon "the server" "Uid: 0 1 1 1" 'ids "$(cat /run/atd.pid)" | cut -d ";" -f 1'
is "its queue" "daemon:daemon" "$(stat -c %U:%G /var/spool/cron/atjobs)"
kill "$(cat /run/atd.pid)"
gone atd
rm -f /tmp/by-at-*
