# Mail to two users, each of whom has it afterwards.
rm -f /var/mail/*
sed -i "s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='local'/" /etc/exim4/update-exim4.conf.conf
update-exim4.conf
exim4 -bd -q30m > /tmp/daemon.log 2>&1
until_true "exim4 listens" listening 25
printf 'Subject: by root\n\ntext\n' | sendmail www-data@localhost
as www-data "printf 'Subject: by www-data\n\ntext\n' | sendmail daemon@localhost"
for user in www-data daemon; do
    until_true "mail for $user" [ -s /var/mail/$user ]
    is "mail for $user" "$user:mail 660" "$(owner /var/mail/$user)"
done
is "who sent it" "From: root <root@" "$(grep -o '^From: root <root@' /var/mail/www-data)"
is "who sent the other" "From: www-data <www-data@" "$(grep -o '^From: www-data <www-data@' /var/mail/daemon)"
is "the log" "Debian-exim:adm 640" "$(owner /var/log/exim4/mainlog)"
pid=$(cat /run/exim4/exim.pid)
soon "the server" "$(user_ids Debian-exim)" 'ids "$pid"'
kill "$pid"
gone exim4
rm -f /var/mail/*
