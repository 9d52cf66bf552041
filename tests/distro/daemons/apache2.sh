# Pages are served by workers that are www-data.
echo "page of apache2" > /var/www/html/daemons.html
echo "ServerName localhost" > /etc/apache2/conf-enabled/name.conf
apache2ctl start > /tmp/daemon.log 2>&1
until_true "apache2 listens" listening 80
is "status" 200 "$(page 80 /daemons.html | head -n 1 | cut -d ' ' -f 2)"
is "page" "page of apache2" "$(page 80 /daemons.html | tail -n 1)"
master=$(cat /run/apache2/apache2.pid)
soon "the master" "Uid: 0 0 0 0" 'ids "$master" | cut -d ";" -f 1'
soon "a worker" "$(user_ids www-data)" 'ids "$(pgrep -P "$master" | head -n 1)"'
soon "ps" "root www-data" 'users apache2'
is "the log" "root:adm 640" "$(owner /var/log/apache2/access.log)"
apache2ctl stop > /tmp/daemon.log 2>&1
gone apache2
