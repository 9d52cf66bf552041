# Mail to two users, each of whom has it afterwards.
postconf -e mydestination=localhost inet_protocols=ipv4 inet_interfaces=127.0.0.1 myhostname=localhost \
    maillog_file=/var/log/postfix.log
newaliases
rm -f /var/mail/* /var/log/postfix.log
postfix check > /tmp/daemon.log 2>&1
is "what postfix check says" "" "$(grep -v symlink /tmp/daemon.log || :)"
postfix start > /tmp/daemon.log 2>&1
until_true "postfix listens" listening 25
printf 'Subject: by root\n\ntext\n' | sendmail www-data@localhost
as www-data "printf 'Subject: by www-data\n\ntext\n' | sendmail daemon@localhost"
for user in www-data daemon; do
    until_true "mail for $user" [ -s /var/mail/$user ]
    is "mail for $user" "$user:mail 600" "$(owner /var/mail/$user)"
done
is "who sent it" "From: root <root@" "$(grep -o '^From: root <root@' /var/mail/www-data)"
is "who sent the other" "From: www-data <www-data@" "$(grep -o '^From: www-data <www-data@' /var/mail/daemon)"
is "the queue" "postfix:root 700" "$(owner /var/spool/postfix/active)"
is "what one drops" "postfix:postdrop 730" "$(owner /var/spool/postfix/maildrop | sed 's/1730$/730/')"
soon "the queue manager" "$(user_ids postfix)" 'ids "$(pgrep -x qmgr)"'
soon "ps" "postfix" 'users qmgr'
soon "the master" root 'users master'
postfix stop > /tmp/daemon.log 2>&1
gone master
rm -f /var/mail/*
