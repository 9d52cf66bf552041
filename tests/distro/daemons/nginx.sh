# The page is served by workers that are www-data, and the log is whose Debian's package says.
echo "page of nginx" > /var/www/html/daemons.html
# Not every machine has the other protocol.
sed -i "/listen \[::\]/d" /etc/nginx/sites-available/default
nginx -t > /tmp/daemon.log 2>&1
service nginx start > /tmp/daemon.log 2>&1
until_true "nginx listens" listening 80
is "status" 200 "$(page 80 /daemons.html | head -n 1 | cut -d ' ' -f 2)"
is "page" "page of nginx" "$(page 80 /daemons.html | tail -n 1)"
master=$(cat /run/nginx.pid)
soon "the master" "Uid: 0 0 0 0" 'ids "$master" | cut -d ";" -f 1'
worker=$(pgrep -P "$master" | head -n 1)
soon "a worker" "$(user_ids www-data)" 'ids "$worker"'
is "whose its /proc is" www-data:www-data "$(stat -c %U:%G "/proc/$worker")"
soon "ps" "root www-data" 'users nginx'
is "the log" "www-data:adm 640" "$(owner /var/log/nginx/access.log)"
nginx -s reload 2> /dev/null
until_true "another worker" not kill -0 "$worker"
is "status after a reload" 200 "$(page 80 /daemons.html | head -n 1 | cut -d ' ' -f 2)"
service nginx stop > /tmp/daemon.log 2>&1
gone nginx
