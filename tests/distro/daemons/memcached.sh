# memcached -u.
memcached -d -u memcache -l 127.0.0.1 -p 11211 -P /tmp/memcached.pid
until_true "memcached listens" listening 11211
until_true "it says who it is" [ -s /tmp/memcached.pid ]
is "set and get" "STORED VALUE key 0 5 value END" \
    "$(say 11211 'set key 0 0 5\r\nvalue\r\nget key\r\nquit\r\n' | tr -s '\r\n' '  ' | sed 's/ $//')"
soon "the server" "$(user_ids memcache '')" 'ids "$(cat /tmp/memcached.pid)"'
soon "ps" memcache 'users memcached'
kill "$(cat /tmp/memcached.pid)"
gone memcached
rm -f /tmp/memcached.pid
