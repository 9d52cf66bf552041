# Becomes redis by its service, and its dump belongs to that.
rm -f /var/lib/redis/dump.rdb
service redis-server start > /tmp/daemon.log 2>&1
until_true "redis answers" eval "redis-cli ping | grep -x PONG"
is "set" OK "$(redis-cli set key value)"
is "get" value "$(redis-cli get key)"
is "save" OK "$(redis-cli save)"
is "the dump" "redis:redis 660" "$(owner /var/lib/redis/dump.rdb)"
soon "the server" "$(user_ids redis)" 'ids "$(cat /run/redis/redis-server.pid)"'
soon "ps" redis 'users redis-server'
service redis-server stop > /tmp/daemon.log 2>&1
gone redis-server
