# Leaves the clock alone (-x), and has a filter of its own for calls (-F 1, as Debian starts it).
cat > /tmp/chrony.conf << 'EOC'
local stratum 8
allow 127.0.0.1
driftfile /var/lib/chrony/drift-of-test
EOC
chronyd -x -F 1 -f /tmp/chrony.conf > /tmp/daemon.log 2>&1
until_true "chronyd answers" chronyc tracking
is "its stratum" 8 "$(chronyc tracking | awk '/^Stratum/ { print $3 }')"
soon "the server" "$(user_ids _chrony '')" 'ids "$(cat /run/chrony/chronyd.pid)"'
is "its socket" "_chrony:_chrony 755" "$(owner /run/chrony/chronyd.sock)"
is "its directory" "_chrony:_chrony 750" "$(owner /run/chrony)"
kill "$(cat /run/chrony/chronyd.pid)"
gone chronyd
