# Writes files of others, tells who logs, and can itself be another.
rm -rf /var/log/test-*
mkdir -p /run/log-test
cat > /tmp/rsyslog.conf << 'EOC'
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/run/log-test/log" Annotate="on" ParseTrusted="on" UsePIDFromSystem="on")
template(name="trusted" type="string" string="%msg% uid=%$!uid% gid=%$!gid%\n")
EOC
cat > /tmp/rsyslog.root << 'EOC'
action(type="omfile" file="/var/log/test-trusted" template="trusted" fileOwner="www-data" fileGroup="adm" fileCreateMode="0640")
EOC
cat > /tmp/rsyslog.dropped << 'EOC'
$PrivDropToUser www-data
$PrivDropToGroup adm
action(type="omfile" file="/var/log/test-dropped/log" fileCreateMode="0640")
EOC
mkdir -p /var/log/test-dropped
chown www-data:adm /var/log/test-dropped
for kind in root dropped; do
    cat /tmp/rsyslog.conf /tmp/rsyslog.$kind > /tmp/rsyslog.all
    rsyslogd -f /tmp/rsyslog.all -i /tmp/rsyslog.pid > /tmp/daemon.log 2>&1
    until_true "rsyslogd listens" [ -S /run/log-test/log ]
    until_true "rsyslogd runs" [ -s /tmp/rsyslog.pid ]
    if [ $kind = root ]; then
        logger -u /run/log-test/log "said by root"
        as www-data 'logger -u /run/log-test/log "said by www-data"'
        until_true "it is written" grep -q "by www-data" /var/log/test-trusted
        is "what root said" "uid=0 gid=0" "$(sed -n 's/.*by root.* uid=/uid=/p' /var/log/test-trusted)"
        is "what www-data said" "uid=33 gid=33" "$(sed -n 's/.*by www-data.* uid=/uid=/p' /var/log/test-trusted)"
        is "the file" "www-data:adm 640" "$(owner /var/log/test-trusted)"
    else
        logger -u /run/log-test/log "said to www-data"
        until_true "it is written" grep -q "to www-data" /var/log/test-dropped/log
        is "the file" "www-data:adm 640" "$(owner /var/log/test-dropped/log)"
        soon "the server" "Uid: 33 33 33 33" 'ids "$(cat /tmp/rsyslog.pid)" | cut -d ";" -f 1'
    fi
    kill "$(cat /tmp/rsyslog.pid)"
    gone rsyslogd
    rm -f /run/log-test/log
done
rm -rf /var/log/test-* /tmp/rsyslog.* /run/log-test
