# The system bus knows its clients by the ids that the kernel tells of them.
rm -f /run/dbus/pid
mkdir -p /run/dbus
dbus-uuidgen --ensure
dbus-daemon --system --fork
bus() { # METHOD ARGUMENTS...
    dbus-send --system --print-reply=literal --dest=org.freedesktop.DBus /org/freedesktop/DBus "org.freedesktop.DBus.$1" "${@:2}" |
        awk '{ $1 = $1; print }'
}
soon "the bus" "Uid: $(for i in 1 2 3 4; do id -u messagebus; done | tr '\n' ' ' | sed 's/ $//')" \
    'ids "$(cat /run/dbus/pid)" | cut -d ";" -f 1'
is "its socket" "root:root 777" "$(owner /run/dbus/system_bus_socket)"
is "its id as it tells it" "uint32 $(id -u messagebus)" "$(bus GetConnectionUnixUser string:org.freedesktop.DBus)"
# A client that says what it is called, and stays until it is killed: D-Bus's own AUTH EXTERNAL and Hello.
cat > /tmp/client.pl << 'EOP'
use IO::Socket::UNIX;
sub field { my ($code, $type, $text) = @_; pack "CCaxVZ*x!8", $code, 1, $type, length $text, $text }
my $bus = IO::Socket::UNIX->new("/run/dbus/system_bus_socket") or die;
syswrite $bus, "\0AUTH EXTERNAL " . unpack("H*", $>) . "\r\n";
<$bus> =~ /^OK/ or die;
my $fields = field(1, "o", "/org/freedesktop/DBus") . field(2, "s", "org.freedesktop.DBus")
    . field(6, "s", "org.freedesktop.DBus") . field(3, "s", "Hello");
syswrite $bus, "BEGIN\r\n" . pack("aCCCVVV", "l", 1, 0, 1, 0, 1, length($fields) - 2) . $fields;
my $answer = "";
sysread $bus, $answer, 4096, length $answer until $answer =~ /(:1\.\d+)\0/s;
open my $out, ">", $ARGV[0]; print $out $1; close $out;
sleep;
EOP
for user in root www-data; do
    rm -f /tmp/client
    su -s /bin/sh $user -c "exec perl /tmp/client.pl /tmp/client" 2> /dev/null &
    until_true "a client of $user" [ -s /tmp/client ]
    name=$(cat /tmp/client)
    is "busctl list" "perl $user" "$(busctl list --no-pager --no-legend | awk -v name="$name" '$1 == name { print $3, $4 }')"
    is "GetConnectionUnixUser of $user" "uint32 $(id -u $user)" "$(bus GetConnectionUnixUser string:$name)"
    is "asked by a user" "u $(id -u $user)" "$(as www-data "busctl --system call org.freedesktop.DBus \
        /org/freedesktop/DBus org.freedesktop.DBus GetConnectionUnixUser s $name")"
    pid=$(as www-data "dbus-send --system --print-reply=literal --dest=org.freedesktop.DBus / \
        org.freedesktop.DBus.GetConnectionUnixProcessID string:$name" | awk '{ print $2 }')
    is "its process, asked by a user" "perl $(user_ids $user)" "$(cat "/proc/$pid/comm") $(ids "$pid" | sed 's/Groups:$/Groups: 0/')"
    pkill -x perl
    wait 2> /dev/null || :
done
rm /tmp/client.pl /tmp/client
claim() { # USER UID: AUTH EXTERNAL as USER with the name of UID
    as "$1" "perl -MIO::Socket::UNIX -e '\$s = IO::Socket::UNIX->new(q(/run/dbus/system_bus_socket)); syswrite \$s, qq(\\0AUTH EXTERNAL @{[unpack q(H*), $2]}\\r\\n); print scalar <\$s>'" |
        cut -d ' ' -f 1 | tr -d '\r'
}
is "root's claim to be root" OK "$(claim root 0)"
is "root's claim to be www-data" REJECTED "$(claim root 33)"
is "www-data's claim to be itself" OK "$(claim www-data 33)"
is "www-data's claim to be root" REJECTED "$(claim www-data 0)"
kill "$(cat /run/dbus/pid)"
gone dbus-daemon
