# Is asked by root and by a user over the system bus.
. ./bus.sh
/usr/lib/polkit-1/polkitd --no-debug > /tmp/daemon.log 2>&1 &
until_true "polkitd is on the bus" busctl status org.freedesktop.PolicyKit1
soon "the server" "$(user_ids polkitd | cut -d ';' -f 1)" 'ids $! | cut -d ";" -f 1'
is "as the bus knows it" polkitd "$(busctl list --no-legend --no-pager | awk '$1 == "org.freedesktop.PolicyKit1" { print $4 }')"
is "an action" org.freedesktop.policykit.exec "$(pkaction | grep -x org.freedesktop.policykit.exec)"
is "root may" 0 "$(pkcheck --action-id org.freedesktop.policykit.exec --process $$ > /tmp/daemon.log 2>&1; echo $?)"
is "www-data may not" no "$(as www-data 'pkcheck --action-id org.freedesktop.policykit.exec --process $$ && echo yes || echo no' 2> /tmp/daemon.log)"
kill $!
wait || :
stop_bus
