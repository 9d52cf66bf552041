# Runs without the rest of systemd, and writes down who has said what.
[ -s /etc/machine-id ] || systemd-machine-id-setup > /tmp/daemon.log 2>&1
mkdir -p /run/systemd/journal
rm -rf /run/systemd/journal/* /run/log/journal /var/log/journal
printf '[Journal]\nReadKMsg=no\nAudit=no\nStorage=volatile\n' > /etc/systemd/journald.conf
/lib/systemd/systemd-journald > /tmp/daemon.log 2>&1 &
until_true "journald listens" eval "echo ready | systemd-cat -t ready"
as www-data 'echo "through a pipe by www-data" | systemd-cat -t through'
as www-data 'logger --journald << EOL
MESSAGE=a datagram by www-data
SYSLOG_IDENTIFIER=gram
EOL'
echo "through a pipe by root" | systemd-cat -t rooted
for what in through:33 gram:33 rooted:0; do
    until_true "$what is in the journal" eval "journalctl -q -t ${what%:*} | grep by"
    is "who said ${what%:*}" "_UID=${what#*:} _GID=${what#*:}" \
        "$(journalctl -q -o export -t ${what%:*} | grep -a -E '^_(UID|GID)=' | sort -r | tr '\n' ' ' | sed 's/ $//')"
done
is "the journal" "root:root" "$(stat -c %U:%G /run/log/journal/*/system.journal | sed 's/systemd-journal/root/')"
kill $!
wait || :
