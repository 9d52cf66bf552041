# A job of root's and one of a user's, each with its ids.
rm -f /run/crond.reboot /run/crond.pid /tmp/by-cron-*
echo '@reboot www-data id > /tmp/by-cron-d 2>&1' > /etc/cron.d/daemons
echo '@reboot id > /tmp/by-cron-root 2>&1' | crontab -
echo '@reboot id > /tmp/by-cron-www-data 2>&1' | crontab -u www-data -
is "the user's table" "www-data:crontab 600" "$(owner /var/spool/cron/crontabs/www-data)"
is "as the user sees it" "@reboot id > /tmp/by-cron-www-data 2>&1" "$(as www-data 'crontab -l')"
cron
for job in root:root www-data:www-data d:www-data; do
    file=/tmp/by-cron-${job%:*} user=${job#*:}
    until_true "the job ran" [ -s $file ]
    is "job $file" "$(id $user)" "$(cat $file)"
    is "its output" "$user:$user 644" "$(owner $file)"
done
kill "$(cat /run/crond.pid)"
gone cron
crontab -r
crontab -r -u www-data
rm /etc/cron.d/daemons /tmp/by-cron-*
