# user and group, in a root directory of its own.
cat > /tmp/haproxy.cfg << 'EOC'
global
    user haproxy
    group haproxy
    chroot /var/lib/haproxy
    daemon
    pidfile /tmp/haproxy.pid
    stats socket /tmp/haproxy.sock user haproxy group haproxy mode 660
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 60s
frontend page
    bind 127.0.0.1:8080
    http-request return status 200 content-type text/plain string "page of haproxy"
EOC
haproxy -f /tmp/haproxy.cfg > /tmp/daemon.log 2>&1
until_true "haproxy listens" listening 8080
is "page" "page of haproxy" "$(page 8080 | tail -n 1)"
soon "the server" "$(user_ids haproxy '')" 'ids "$(cat /tmp/haproxy.pid)"'
is "its root" /var/lib/haproxy "$(readlink "/proc/$(cat /tmp/haproxy.pid)/root" | sed 's/.*\(\/var\/lib\/haproxy\)$/\1/')"
is "its socket" "haproxy:haproxy 660" "$(owner /tmp/haproxy.sock)"
kill "$(cat /tmp/haproxy.pid)"
gone haproxy
rm -f /tmp/haproxy.*
